//! What the data plane and the control plane share.
