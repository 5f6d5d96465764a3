mod adaptive;
mod backend;
mod bucket;
mod gate;
mod keyed;
mod queue;
mod rate;
mod share;
