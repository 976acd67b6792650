//! `watch`: a run on the terminal.

use crate::dashboard::{Dashboard, draw};
use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The size of a picture where there is no terminal.
const SIZE: (u16, u16) = (110, 34);

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "q, Esc or Ctrl-C ends it. It only reads the folder, so that it is at home on another's run and over ssh, \
                  and shows finished and interrupted runs as well."
)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// Prints one picture as plain text, and ends
    #[arg(long)]
    once: bool,
    /// Seconds between two looks at the files
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=3600))]
    every: u16,
}

/// Runs the command.
///
/// # Errors
/// When the folder holds no run or cannot be read, or there is no terminal to draw on.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut dashboard = Dashboard::open(&arguments.run)?;
    let is_terminal = std::io::stdout().is_terminal();
    if arguments.once {
        let size = terminal::size().ok().filter(|_| is_terminal);
        let (width, height) = size.unwrap_or(SIZE);
        say!("{}", dashboard.text(width, height.max(SIZE.1)).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if !is_terminal {
        return Err(LabError::NoTerminal);
    }
    // Its own hook puts the terminal back should the program panic.
    let mut terminal = ratatui::try_init().map_err(LabError::Terminal)?;
    let every = Duration::from_secs(arguments.every.into());
    let ended = show(&mut dashboard, &mut terminal, every);
    ratatui::restore();
    ended.map_err(LabError::Terminal)?;
    Ok(ExitCode::SUCCESS)
}

/// Draws until a key ends it.
fn show(dashboard: &mut Dashboard, terminal: &mut DefaultTerminal, every: Duration) -> std::io::Result<()> {
    loop {
        terminal.draw(|frame| draw(dashboard, frame))?;
        let looked = Instant::now();
        loop {
            // A moment of zero would ask without waiting, for ever.
            let left = every.saturating_sub(looked.elapsed());
            if left.is_zero() || !event::poll(left)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                    if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                        return Ok(());
                    }
                }
                // Drawn anew, without another look at the files.
                Event::Resize(..) => {
                    terminal.draw(|frame| draw(dashboard, frame))?;
                }
                _ => {}
            }
        }
        dashboard.refresh();
    }
}
