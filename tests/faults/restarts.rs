//! etcd is killed and comes back: as it was, compacted, or without its data.

use crate::lab::Lab;
use crate::scale;
use crate::support::Etcd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_killed_and_run_again_fails_no_request() {
    let mut etcd = Etcd::start().await;
    let lab = Lab::start(&etcd.keys().await, &[etcd.endpoint()]).await;
    etcd.kill();
    tokio::time::sleep(scale::lasting(60)).await;
    etcd.run().await;
    lab.finish("etcd killed and run again", &etcd.keys().await).await;
}
