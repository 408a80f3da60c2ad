//! To be filled.
use super::Scene;

pub(super) const SCENES: &[Scene] = &[];
