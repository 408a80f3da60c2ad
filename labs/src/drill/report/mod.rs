//! What is told of a drill: the picture, the table and the status, all made from the report alone.
//!
//! Nothing here looks at a target, a file or a clock, and the same report gives the same bytes.
//! What could not be judged is never told as a pass, and nothing red is told by colour alone. A
//! name from outside steers neither a terminal nor a page.

pub mod baseline;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod matrix;
mod story;
pub mod text;
pub mod verdict;
mod words;

#[cfg(test)]
pub(crate) mod sample;

pub use matrix::{Matrix, Square};
pub use story::story;
pub use verdict::{Exit, Outcome};
pub use words::seconds;
