//! Pages of HTML that hold all that they show: no script, no other file, no network.

mod comparison;
mod config;
mod curves;
mod data_card;
mod embed;
mod folder;
mod markdown;
mod origin;
mod outcome;
mod page;
mod run;

pub use comparison::comparison;
pub use folder::folder;
pub use run::run;
