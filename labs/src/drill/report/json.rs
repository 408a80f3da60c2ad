//! The report as JSON, and back: what another tool reads, and what a baseline is.

use crate::drill::answer::{FORMAT, Report};

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is no report at all.
    #[error("it is no report of a drill: {0}; a report is written by `drill run --json --out`")]
    Unreadable(#[source] serde_json::Error),
    /// It is one of another version.
    #[error("it has format {0}, and this program reads format {FORMAT}: make it again")]
    Format(u32),
}

/// Writes a report.
pub fn write(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Reads a report.
pub fn read(text: &str) -> Result<Report, BaselineError> {
    let report: Report = serde_json::from_str(text).map_err(BaselineError::Unreadable)?;
    if report.format == FORMAT {
        Ok(report)
    } else {
        Err(BaselineError::Format(report.format))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bad, good, hostile};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for report in [good(), bad(), hostile()] {
            let text = write(&report).unwrap();
            assert_eq!(read(&text).unwrap(), report);
            assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'));
        }
    }

    #[test]
    fn the_shape_is_the_one_that_is_promised() {
        let text = write(&bad()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["format"], 1);
        let row = &value["rows"][2];
        assert_eq!(row["word"], "revoked-leaf-resumed");
        assert_eq!(row["group"], "revocation");
        assert_eq!(row["answer"], "fail");
        assert_eq!(row["basis"]["kind"], "must");
        let cell = serde_json::json!({
            "change": "leaf-revoked", "path": "resumed", "seen": "still-served",
            "watched_ms": 120_000, "step_ms": 100,
        });
        assert_eq!(row["cells"][0], cell);
        assert_eq!(value["rows"][0]["served"]["failed_after_retry"], 1);
        assert_eq!(value["rows"][4]["answer"], "cannot-judge");
    }

    #[test]
    fn another_version_and_another_file_are_refused() {
        let text = write(&good())
            .unwrap()
            .replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(read(&text), Err(BaselineError::Format(2))));
        assert!(matches!(read("{}"), Err(BaselineError::Unreadable(_))));
    }
}
