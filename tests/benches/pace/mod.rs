//! How long a bench measures: long enough to compare a thing with its floor, and no longer.
//!
//! It asserts nothing of time. All benches together take about two minutes.

use std::time::Duration;

use criterion::Criterion;

/// Two seconds and thirty samples a line; the command line may ask for other values.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args()
}
