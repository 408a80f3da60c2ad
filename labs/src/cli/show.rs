//! Showing a demonstration to people: in acts, drawn as time passes, or the script to speak from.
//!
//! The runs are over and kept before anything is shown: going away loses nothing. What needs a
//! terminal is refused without one, before anything runs.

mod keys;
mod screen;

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use super::interrupt::Interrupt;
use super::next::Invocation;
use super::origin::Lab;
use super::printer::Printer;
use super::prose::prose_with;
use super::stop::Stop;
use crate::fabric::TrueTime;
use crate::history::History;
use crate::report::DemoReport;
use crate::report::text::{Page, Style, act, live};
use keys::{Key, Keys};
use screen::Screen;

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(50);

/// How a demonstration is shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Showing {
    /// Show it one act at a time: Enter goes on, q and Enter ends
    #[arg(long, conflicts_with_all = ["json", "out", "speed"])]
    step: bool,
    /// Draw the lanes while time passes, 1x to 1000x as fast
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["json", "out"])]
    speed: Option<u32>,
    /// Print the lab's script for showing it to people, and run nothing
    #[arg(long, conflicts_with_all = ["json", "out", "step", "speed", "posture"])]
    pub(super) script: bool,
}

/// Reads `10x`, or `10`.
fn rate(word: &str) -> Result<u32, String> {
    let number = word.strip_suffix('x').unwrap_or(word);
    let rate = number
        .parse()
        .ok()
        .filter(|rate| (1..=1_000).contains(rate));
    rate.ok_or_else(|| "it takes 1x to 1000x".to_owned())
}

/// What is shown.
pub(super) struct Show<'a> {
    pub(super) report: &'a DemoReport,
    pub(super) histories: &'a [&'a History],
    /// The lab's question before the run.
    pub(super) ask: Option<&'a str>,
    pub(super) style: Style,
}

impl Showing {
    /// Whether it is shown one thing after another.
    pub(super) const fn is_shown(&self) -> bool {
        self.step || self.speed.is_some()
    }

    /// Refuses what needs a terminal when there is none.
    pub(super) fn can_be_shown(&self) -> Result<(), Stop> {
        let word = match (self.step, self.speed) {
            (true, _) => "--step",
            (false, Some(_)) => "--speed",
            (false, None) => return Ok(()),
        };
        if Printer::is_live() && io::stdin().is_terminal() {
            return Ok(());
        }
        let why = "it shows things one after another, and this is no terminal";
        Err(Stop::Usage(format!("`{word}`: {why}")))
    }

    /// Shows it as the words ask. True if the page is still to be printed.
    pub(super) fn play(
        &self,
        show: &Show<'_>,
        interrupt: &Interrupt,
        printer: &mut Printer,
    ) -> Result<bool, Stop> {
        if self.step {
            step(show, interrupt, printer)?;
            return Ok(false);
        }
        match self.speed {
            Some(rate) => draw(show, rate, interrupt, printer),
            None => Ok(true),
        }
    }
}

/// Prints the script, with commands that work where it is read.
pub(super) fn script(
    lab: &Lab,
    invocation: &Invocation,
    style: &Style,
    printer: &mut Printer,
) -> Result<(), Stop> {
    let mut page = Page::new(style);
    prose_with(&mut page, &lab.demo()?.text, Some(invocation));
    printer.page(page.finish().trim_start_matches('\n'))
}

/// One act after the other, and no more of one at once than the terminal has rows.
fn step(show: &Show<'_>, interrupt: &Interrupt, printer: &mut Printer) -> Result<(), Stop> {
    let keys = Keys::listen()?;
    let acts = act::acts(show.report, show.histories, show.ask, &show.style);
    for (at, act) in acts.iter().enumerate() {
        let rows = screen::size().map_or(24, |(_, rows)| rows);
        let pages = pages(act, rows.saturating_sub(3).max(5));
        for (number, page) in pages.iter().enumerate() {
            printer.page(&format!("\n{page}"))?;
            let is_last = at + 1 == acts.len() && number + 1 == pages.len();
            if is_last {
                return Ok(());
            }
            let more = if number + 1 < pages.len() {
                ", more of it"
            } else {
                ""
            };
            let mark = format!(
                "[act {} of {}{more}: Enter goes on, q and Enter ends] ",
                at + 1,
                acts.len()
            );
            printer.page(&mark)?;
            match keys.wait(interrupt) {
                Key::On => {}
                Key::End => return Ok(()),
                Key::Interrupted => {
                    printer.page("\n")?;
                    return Err(Stop::Interrupted);
                }
            }
        }
    }
    Ok(())
}

/// A text in parts of at most that many lines.
fn pages(text: &str, rows: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let page = |lines: &[&str]| lines.join("\n") + "\n";
    lines.chunks(rows).map(page).collect()
}

/// The lanes, drawn as the runs' own time passes. True if the page is wanted after it.
fn draw(
    show: &Show<'_>,
    rate: u32,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<bool, Stop> {
    let longest = show
        .histories
        .iter()
        .map(|history| history.duration_us)
        .max();
    let end_us = longest.unwrap_or(0);
    let keys = Keys::listen()?;
    let began = TrueTime::local();
    let mut screen = Screen::enter(printer)?;
    loop {
        let passed = began.elapsed().as_micros().saturating_mul(u128::from(rate));
        let at_us = u64::try_from(passed).unwrap_or(u64::MAX).min(end_us);
        let done = at_us == end_us;
        let mut lines = live::frame(show.report, show.histories, at_us, &fitted(&show.style));
        lines.push(String::new());
        let mark = if done {
            "[Enter shows the page, q and Enter ends] "
        } else {
            "[q and Enter ends] "
        };
        lines.push(mark.to_owned());
        screen.draw(&lines)?;
        if interrupt.heard() {
            return Err(Stop::Interrupted);
        }
        match keys.heard() {
            Some(Key::On) if done => return Ok(true),
            Some(Key::End) => return Ok(false),
            // Nothing moves any more but the size of the terminal.
            _ => thread::sleep(if done { FRAME * 5 } else { FRAME }),
        }
    }
}

/// The style, no wider than the terminal.
fn fitted(style: &Style) -> Style {
    let columns = screen::size().map_or(style.width, |(columns, _)| columns);
    Style {
        width: style.width.min(columns),
        ..*style
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_1x_to_1000x() {
        for (word, read) in [("10x", 10), ("1", 1), ("1000x", 1_000)] {
            assert_eq!(rate(word), Ok(read));
        }
        for word in [
            "0x",
            "1001x",
            "",
            "x",
            "-1x",
            "1.5x",
            "fast",
            "10xx",
            "99999999999x",
        ] {
            assert_eq!(rate(word).unwrap_err(), "it takes 1x to 1000x", "{word}");
        }
    }

    #[test]
    fn no_part_of_an_act_is_longer_than_the_terminal_and_none_is_lost() {
        let text: String = (0..50).map(|n| format!("{n}\n")).collect();
        let pages = pages(&text, 20);
        assert_eq!(pages.len(), 3);
        assert!(pages.iter().all(|page| page.lines().count() <= 20));
        assert_eq!(pages.concat(), text);
    }

    #[test]
    fn without_a_terminal_only_what_needs_none_is_shown() {
        let step = Showing {
            step: true,
            ..Showing::default()
        };
        let speed = Showing {
            speed: Some(10),
            ..Showing::default()
        };
        assert!(Showing::default().can_be_shown().is_ok());
        if !io::stdin().is_terminal() {
            for (words, word) in [(step, "--step"), (speed, "--speed")] {
                let said = words.can_be_shown().unwrap_err().to_string();
                assert!(said.starts_with(&format!("`{word}`: ")), "{said}");
            }
        }
    }
}
