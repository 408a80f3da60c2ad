//! What commands that run until they are stopped have in common: a runtime, an end, and warnings
//! that reach whoever watches.

use std::fmt::{self, Write as _};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::printer::Printer;
use super::stop::Stop;

/// A runtime for the real network.
pub(super) fn runtime() -> Result<Runtime, Stop> {
    let built = Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Stop::Usage(format!("no runtime: {error}")))
}

/// Waits until somebody asks the program to stop.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Warnings of our own crates on their way to the printer.
pub(super) struct Warnings(UnboundedReceiver<String>);

impl Warnings {
    /// Listens from now on, once in a process.
    pub(super) fn listen() -> Self {
        let (said, heard) = unbounded_channel();
        // A second listener would hear nothing, and there is none.
        let _ = tracing::subscriber::set_global_default(Ear(said));
        Self(heard)
    }

    /// Prints them, for ever.
    pub(super) async fn tell(mut self, printer: &mut Printer) {
        while let Some(warning) = self.0.recv().await {
            printer.note(&warning);
        }
        std::future::pending().await
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> String {
        match self.0.recv().await {
            Some(warning) => warning,
            None => std::future::pending().await,
        }
    }
}

/// Hears warnings and errors, and looks at no span.
struct Ear(UnboundedSender<String>);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = ["ca", "services", "schism", "labs"];
        let name = metadata.target().split("::").next().unwrap_or_default();
        *metadata.level() <= Level::WARN && ours.contains(&name)
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Sentence::default();
        event.record(&mut words);
        let level = event.metadata().level().as_str().to_lowercase();
        let told = level.replace("warn", "warning");
        let what = if words.message.is_empty() {
            words.kind
        } else {
            words.message
        };
        // Nobody is there to hear it when the program ends.
        let _ = self.0.send(format!("{told}: {what}{}", words.rest));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event in words.
#[derive(Default)]
struct Sentence {
    message: String,
    /// What stands in the place of a message, where there is none.
    kind: String,
    rest: String,
}

impl Visit for Sentence {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            "kind" => write!(self.kind, "{}", value.trim_matches('"').replace('-', " ")),
            "error" => write!(self.rest, ": {value}"),
            name => write!(self.rest, " ({name} {value})"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_ours_is_told_in_words_and_nothing_else_is() {
        let (said, mut heard) = unbounded_channel();
        tracing::subscriber::with_default(Ear(said), || {
            tracing::warn!(error = %"no route", port = 7, "not enrolled");
            tracing::warn!(error = %"no route", kind = "enrolment-failed");
            tracing::info!("not this");
            tracing::warn!(target: "h2::codec", "nor this");
        });
        let told = heard.try_recv().unwrap();
        assert_eq!(told, "warning: not enrolled: no route (port 7)");
        let told = heard.try_recv().unwrap();
        assert_eq!(told, "warning: enrolment failed: no route");
        assert!(heard.try_recv().is_err());
    }
}
