//! POWER: a household's electric power consumption, minute by minute over four years, `D = 6`.
//!
//! The original is a text file of 2,075,259 minutes, of which 2,049,280 are complete. Those rows' six variables are
//! small integers in the original's own resolution ([`Measurement`]); [`encode`] packs them without loss into a file
//! of 3.9 MB, which the feature `power` compiles into the program. [`prepare`] turns them into the published split,
//! row for row.

mod array;
mod codec;
mod dataset;
mod describe;
mod error;
mod prepare;
mod raw;

pub use self::{
    codec::{decode, encode},
    dataset::PowerDataset,
    describe::describe,
    error::PowerError,
    prepare::prepare,
    raw::{parse_raw, read_raw},
};

/// The number of complete rows of the original.
pub const ROWS: usize = 2_049_280;

/// The six variables, in order.
pub const COLUMNS: [&str; 6] = [
    "active_power",
    "voltage",
    "sub_metering_1",
    "sub_metering_2",
    "sub_metering_3",
    "minute_of_day",
];

/// One complete minute, in integers of the original's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measurement {
    /// Mean active power of the household, in watts.
    pub active_power: u16,
    /// Mean voltage, in hundredths of a volt.
    pub voltage: u16,
    /// Energy drawn in that minute by kitchen, laundry room, and water heater with air conditioner, in watt-hours.
    pub sub_metering: [u8; 3],
    /// Minute of the day, 0 to 1439.
    pub minute_of_day: u16,
}

impl Measurement {
    /// The six variables in the units of the published preprocessing: kilowatts, volts, watt-hours, minutes.
    ///
    /// ```
    /// use ffjord_data::power::Measurement;
    ///
    /// let first = Measurement { active_power: 4216, voltage: 23484, sub_metering: [0, 1, 17], minute_of_day: 1044 };
    /// assert_eq!(first.values(), [4.216, 234.84, 0.0, 1.0, 17.0, 1044.0]);
    /// ```
    pub fn values(&self) -> [f64; 6] {
        let [kitchen, laundry, heater] = self.sub_metering.map(f64::from);
        [
            // Divided, not multiplied by 0.001: the quotient is the double nearest to the decimal of the original.
            f64::from(self.active_power) / 1000.0,
            f64::from(self.voltage) / 100.0,
            kitchen,
            laundry,
            heater,
            f64::from(self.minute_of_day),
        ]
    }
}
