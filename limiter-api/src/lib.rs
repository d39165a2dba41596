//! The wire contract of the control plane.
