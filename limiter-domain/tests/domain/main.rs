//! What the domain promises, seen from outside.

mod claim;
mod clock;
mod code;
mod egress;
mod fixture;
mod life;
mod matrix;
mod money;
mod node_state;
mod pool;
mod quota;
mod term;
mod transition;
mod world;
