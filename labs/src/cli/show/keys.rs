//! Lines from whoever sits at the terminal, while Ctrl-C is still heard.
//!
//! A read from a terminal cannot be given up, so a thread of its own reads; no run is going on
//! then whose order it could disturb. It ends with the program.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::super::interrupt::Interrupt;
use super::super::stop::Stop;

/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    On,
    End,
    Interrupted,
}

/// The lines that were typed.
pub(super) struct Keys(Receiver<Key>);

impl Keys {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self, Stop> {
        let (typed, heard) = channel();
        let read = move || {
            for line in io::stdin().lines() {
                let Ok(line) = line else { break };
                if typed.send(key(&line)).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .spawn(read)
            .map_err(|why| Stop::Stream("standard input", why))?;
        Ok(Self(heard))
    }

    /// What was typed since, if anything. The end of the input ends the showing.
    pub(super) fn heard(&self) -> Option<Key> {
        self.within(Duration::ZERO)
    }

    /// Waits for a line, or for Ctrl-C.
    pub(super) fn wait(&self, interrupt: &Interrupt) -> Key {
        loop {
            if interrupt.heard() {
                return Key::Interrupted;
            }
            if let Some(key) = self.within(LOOK) {
                return key;
            }
        }
    }

    fn within(&self, time: Duration) -> Option<Key> {
        match self.0.recv_timeout(time) {
            Ok(key) => Some(key),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Key::End),
        }
    }
}

fn key(line: &str) -> Key {
    if line.trim().eq_ignore_ascii_case("q") {
        Key::End
    } else {
        Key::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_ends_and_every_other_line_goes_on_and_the_end_of_input_ends() {
        assert_eq!(
            [key(""), key(" Q\r"), key("quite")],
            [Key::On, Key::End, Key::On]
        );
        let (typed, heard) = channel();
        let keys = Keys(heard);
        assert_eq!(keys.heard(), None);
        typed.send(Key::On).unwrap();
        assert_eq!(keys.wait(&Interrupt::default()), Key::On);
        drop(typed);
        assert_eq!(keys.heard(), Some(Key::End));
    }
}
