//! The report as tools read it: one JSON object, keys in a fixed order, a final newline.
//!
//! It refuses nothing of a report's own making; reading back refuses what is not a report.

use super::{DemoReport, FORMAT};

/// Why a text is not a report.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReport {
    /// Not JSON, or not of this shape.
    #[error("not a report: {0}")]
    Shape(#[from] serde_json::Error),
    /// A shape that this version does not know.
    #[error("report format {0} is not the known format {FORMAT}")]
    Format(u32),
}

/// Writes the report.
///
/// # Errors
///
/// If it cannot be serialised, which no report of this shape meets.
pub fn render(report: &DemoReport) -> Result<String, InvalidReport> {
    Ok(serde_json::to_string(report)? + "\n")
}

/// Reads a report back.
///
/// # Errors
///
/// If it is not JSON, not of this shape, or of another format.
pub fn parse(text: &str) -> Result<DemoReport, InvalidReport> {
    let report: DemoReport = serde_json::from_str(text)?;
    if report.format == FORMAT {
        Ok(report)
    } else {
        Err(InvalidReport::Format(report.format))
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::sample::{demo, exposed, solution};
    use super::*;

    fn keys(value: &serde_json::Value) -> Vec<&str> {
        let object = value.as_object().expect("it is an object");
        let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_shape_is_format_1_and_nothing_else() {
        let (exposed, solution) = (exposed(), solution());
        let text = render(&demo(&[&exposed.history, &solution.history])).expect("it renders");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let mut expected = vec![
            "format",
            "version",
            "lab",
            "seed",
            "fabric",
            "scenario_sha256",
            "control",
            "runs",
        ];
        expected.sort_unstable();
        assert_eq!(keys(&value), expected);
        assert_eq!(value["control"], "kept");
        let run = &value["runs"][0];
        let mut expected = vec![
            "posture",
            "posture_sha256",
            "attack",
            "refusals",
            "exposure_ms",
            "promised_ms",
            "verdict",
            "violations",
            "availability",
            "latency_ms",
            "cost",
            "renewals",
            "trace_hash",
            "virtual_ms",
            "wall_ms",
        ];
        expected.sort_unstable();
        assert_eq!(keys(run), expected);
        assert_eq!(run["attack"], "succeeded");
        assert_eq!(
            keys(&run["violations"][0]),
            ["at_us", "evidence", "invariant", "node"]
        );
        let availability = ["floor", "ok", "ratio", "region", "tag", "total", "when"];
        assert_eq!(keys(&run["availability"][0]), availability);
        assert_eq!(keys(&run["latency_ms"]), ["p50", "p95", "p99"]);
        assert_eq!(keys(&run["cost"]), ["bytes_about", "rpcs"]);
        assert_eq!(keys(&run["renewals"]), ["after", "before", "during_failed"]);
        assert_eq!(run["promised_ms"], serde_json::json!({}));
        let promised = serde_json::json!({"read": 10_000, "write": 3_000});
        assert_eq!(value["runs"][1]["promised_ms"], promised);
    }

    #[test]
    fn a_report_reads_back_and_another_format_is_refused() {
        let solution = solution();
        let mut report = demo(&[&solution.history]);
        let text = render(&report).expect("it renders");
        let back = parse(&text).expect("it reads back");
        report.title = String::new();
        report.next = Vec::new();
        assert_eq!(back, report);
        let newer = text.replacen("\"format\":1", "\"format\":2", 1);
        assert!(matches!(parse(&newer), Err(InvalidReport::Format(2))));
        assert!(matches!(parse("{}"), Err(InvalidReport::Shape(_))));
    }
}
