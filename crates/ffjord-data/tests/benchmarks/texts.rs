//! Small texts in the originals' formats.

/// A small generator that is easy to write in another language.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = (self.0 * 1_103_515_245 + 12_345) % (1 << 31);
        (self.0 >> 12) % limit
    }

    fn thousandths(&mut self) -> String {
        let value = self.below(9000) + 1000;
        format!("{}.{:03}", value / 1000, value % 1000)
    }
}

pub fn gas_text(rows: u64) -> String {
    const COPIES: [(usize, usize); 7] = [(1, 0), (2, 0), (5, 4), (9, 15), (12, 3), (13, 3), (14, 3)];
    let mut numbers = Lcg(1);
    let mut text = "Time (seconds), CO conc (ppm), Ethylene conc (ppm), sensor readings (16 channels)\n".to_owned();
    for row in 0..rows {
        let own: Vec<u64> = (0..16).map(|_| numbers.below(10_000)).collect();
        let mut values = own.clone();
        for (column, source) in COPIES {
            values[column] = own[source] * 2 + own[column] / 100;
        }
        values[6] = values[5] * 3 + own[6] / 100;
        let fields: Vec<String> = values
            .iter()
            .map(|value| format!("{}.{:02}", value / 100, value % 100))
            .collect();
        text += &format!("{}.{:02} {} 0 {}\n", row / 100, row % 100, row % 7, fields.join("  "));
    }
    text
}

pub fn hepmass_text(events: u64, seed: u64, is_test: bool) -> String {
    let mut numbers = Lcg(seed);
    let names: Vec<String> = (0..27).map(|feature| format!("f{feature}")).collect();
    let mut text = format!("# label,{}{}\n", names.join(","), if is_test { ",mass" } else { "" });
    for event in 0..events {
        let class = numbers.below(2);
        let mut fields: Vec<String> = (0..27).map(|_| numbers.thousandths()).collect();
        for discrete in [3, 8, 13, 26] {
            fields[discrete] = format!("{}.0", numbers.below(3));
        }
        if event % 40 == 0 {
            fields[20] = "0.5".to_owned();
        }
        let last = if is_test { ",1000.0" } else { "" };
        text += &format!("{class}.000e+00,{}{last}\n", fields.join(","));
    }
    text
}

pub fn miniboone_text(signal: u64, background: u64) -> String {
    let mut numbers = Lcg(7);
    let mut text = format!("  {signal}  {background}\n");
    for event in 0..signal + background {
        let mut fields: Vec<String> = (0..50).map(|_| numbers.thousandths()).collect();
        if event % 37 == 5 {
            fields[0] = "-999.000".to_owned();
        }
        for discrete in [10, 11, 30] {
            fields[discrete] = format!("{}.5", numbers.below(4));
        }
        // The sixth event is an outlier: five, five and six values stay of these.
        for (column, repeated) in [(40, 5), (41, 6), (42, 7)] {
            if event < repeated {
                fields[column] = "0.25".to_owned();
            }
        }
        text += &(fields.join("   ") + "\n");
    }
    text
}
