//! Simulated histories: both reference cores in virtual time, judged by the same checkers as what goes over sockets.
//!
//! The one place, beside the embedded target, that names something of the reference: the `sim` crate, which drives both cores and knows nothing of this runner. It says
//! what happens; here that becomes the [history](crate::history) that every checker takes. So a seed is judged as any server is, only a thousand times as
//! often, and a failure happens again whenever it is asked for.

mod hunt;
mod judge;
mod recorder;
mod shrink;

pub use hunt::{Find, Hunt, Search, hunt, sum_of};
pub use judge::{Failed, Judged, judge};
pub use shrink::shrink;
pub use syncline_sim::{Plan, plan};
