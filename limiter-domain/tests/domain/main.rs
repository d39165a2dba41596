//! What the domain promises, seen from outside.

mod claim;
mod clock;
mod code;
mod fixture;
mod life;
mod matrix;
mod node_state;
mod quota;
mod term;
mod transition;
mod world;
