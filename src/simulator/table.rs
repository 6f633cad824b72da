//! Rows and tables: a menu's items with their RouterOS ids (`*1A`), which are never given twice.

use std::{collections::HashMap, net::Ipv4Addr, sync::OnceLock};

use super::values::{mask, network, read_net};

/// Bytes and packets of a row. "Up" is from the customer, "down" is to the customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes from the customer.
    pub up: u64,
    /// Bytes to the customer.
    pub down: u64,
    /// Packets from the customer.
    pub packets_up: u64,
    /// Packets to the customer.
    pub packets_down: u64,
}

impl Counters {
    /// Counts traffic in packets of 1,400 bytes.
    pub fn count(&mut self, down: u64, up: u64) {
        self.up += up;
        self.down += down;
        self.packets_up += up.div_ceil(1400);
        self.packets_down += down.div_ceil(1400);
    }

    /// Counts what another counter shows.
    pub fn add(&mut self, other: Counters) {
        self.up += other.up;
        self.down += other.down;
        self.packets_up += other.packets_up;
        self.packets_down += other.packets_down;
    }

    /// Traffic in packets of 1,400 bytes.
    pub fn of(down: u64, up: u64) -> Counters {
        let mut counters = Counters::default();
        counters.count(down, up);
        counters
    }
}

/// One item of a menu.
#[derive(Debug, Clone)]
pub struct Row {
    id: u32,
    values: Vec<(&'static str, String)>,
    /// What it has counted since it was made, since the reboot, or since its last reset.
    pub counters: Counters,
    /// The networks of `target`, as mask and first address.
    nets: Vec<(u32, u32)>,
}

impl Row {
    /// The id as RouterOS writes it: `*1A`.
    pub fn id(&self) -> String {
        format!("*{:X}", self.id)
    }

    /// The id as a number.
    pub fn number(&self) -> u32 {
        self.id
    }

    /// A stored value, if the row has it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a value stands at `true`.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Stores a value.
    pub fn put(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        if name == "target" {
            self.nets = value.split(',').filter_map(read_net).map(|net| (mask(net.1), network(net).0.into())).collect();
        }
        match self.values.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
    }

    /// Stores those values that the row lacks.
    pub fn fill(&mut self, defaults: &[(&'static str, &str)]) {
        for (name, value) in defaults {
            if self.get(name).is_none() {
                self.put(name, *value);
            }
        }
    }

    /// Takes a value away.
    pub fn take(&mut self, name: &str) {
        self.values.retain(|(key, _)| *key != name);
        if name == "target" {
            self.nets.clear();
        }
    }

    /// Whether the address lies in a network of `target`.
    pub fn targets(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.nets.iter().any(|(mask, first)| address & mask == *first)
    }

    /// The stored names and values.
    pub fn values(&self) -> &[(&'static str, String)] {
        &self.values
    }
}

/// The items of one menu, in their order.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    given: u32,
    /// Where the rows of each name stand; made when asked for, forgotten whenever a row may have changed.
    names: OnceLock<HashMap<String, Vec<usize>>>,
}

impl Table {
    /// The rows in their order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows in their order, to change.
    pub fn rows_mut(&mut self) -> &mut [Row] {
        self.changing()
    }

    fn changing(&mut self) -> &mut Vec<Row> {
        self.names.take();
        &mut self.rows
    }

    /// The rows of these names, in their order.
    pub fn of_names<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Vec<&Row> {
        let index = self.names.get_or_init(|| {
            let mut index: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, row) in self.rows.iter().enumerate() {
                index.entry(row.get("name").unwrap_or_default().to_owned()).or_default().push(at);
            }
            index
        });
        let mut places: Vec<usize> = names.into_iter().filter_map(|name| index.get(name)).flatten().copied().collect();
        places.sort_unstable();
        places.into_iter().map(|at| &self.rows[at]).collect()
    }

    /// Appends a row with a fresh id and hands it out.
    pub fn add<V: Into<String>>(&mut self, values: impl IntoIterator<Item = (&'static str, V)>) -> &mut Row {
        self.given += 1;
        let mut row = Row { id: self.given, values: Vec::new(), counters: Counters::default(), nets: Vec::new() };
        for (name, value) in values {
            row.put(name, value);
        }
        let rows = self.changing();
        rows.push(row);
        let last = rows.len() - 1;
        &mut rows[last]
    }

    /// Moves a row before another one, or to the end.
    pub fn place(&mut self, id: u32, before: Option<u32>) {
        let Some(row) = self.remove(id) else { return };
        let place = before.and_then(|before| self.rows.iter().position(|row| row.id == before));
        let rows = self.changing();
        rows.insert(place.unwrap_or(rows.len()), row);
    }

    /// Where the row of an id stands. Rows are in the order of their ids as long as none was moved.
    fn position(&self, id: u32) -> Option<usize> {
        let guess = self.rows.binary_search_by_key(&id, Row::number).ok();
        guess.or_else(|| self.rows.iter().position(|row| row.id == id))
    }

    /// The row of an id.
    pub fn get(&self, id: u32) -> Option<&Row> {
        self.position(id).map(|place| &self.rows[place])
    }

    /// The row of an id, to change.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Row> {
        self.position(id).map(|place| &mut self.changing()[place])
    }

    /// The first row of a name.
    pub fn named(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.get("name") == Some(name))
    }

    /// The first row of a name, to change.
    pub fn named_mut(&mut self, name: &str) -> Option<&mut Row> {
        self.changing().iter_mut().find(|row| row.get("name") == Some(name))
    }

    /// The row that `*1A` or a name means.
    pub fn resolve(&self, text: &str) -> Option<u32> {
        match text.strip_prefix('*').map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(id)) => self.get(id).map(Row::number),
            _ => self.named(text).map(Row::number),
        }
    }

    /// Takes a row away; its id is not given again.
    pub fn remove(&mut self, id: u32) -> Option<Row> {
        self.position(id).map(|place| self.changing().remove(place))
    }

    /// Keeps only the rows that `keep` likes.
    pub fn retain(&mut self, keep: impl FnMut(&Row) -> bool) {
        self.changing().retain(keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_not_given_twice() {
        let mut table = Table::default();
        for number in 0..26 {
            table.add([("name", format!("row{number}"))]);
        }
        assert_eq!(table.rows()[25].id(), "*1A");
        assert_eq!(table.resolve("*1A"), Some(26));
        assert_eq!(table.resolve("row25"), Some(26));
        assert_eq!(table.resolve("*FF"), None);
        table.remove(26);
        assert_eq!(table.add([("name", "again")]).id(), "*1B");
        table.place(27, Some(1));
        assert_eq!(table.rows()[0].get("name"), Some("again"));
        table.place(27, None);
        assert_eq!(table.get(25).unwrap().get("name"), Some("row24"));
        table.place(3, Some(1));
        assert!((1..=25).chain([27]).all(|id| table.get(id).is_some_and(|row| row.number() == id)));
        table.place(3, Some(4));
        assert_eq!(table.rows()[0].get("name"), Some("row0"));
    }

    #[test]
    fn rows_of_names_are_those_that_have_them_now() {
        fn ids(table: &Table) -> Vec<u32> {
            let names = ["a", "b"].map(str::to_owned);
            table.of_names(&names).into_iter().map(Row::number).collect()
        }
        let mut table = Table::default();
        for name in ["b", "c", "a", "b"] {
            table.add([("name", name)]);
        }
        assert_eq!(ids(&table), [1, 3, 4]);
        table.get_mut(2).unwrap().put("name", "a");
        table.named_mut("b").unwrap().take("name");
        assert_eq!(ids(&table), [2, 3, 4]);
        table.place(4, Some(2));
        assert_eq!(ids(&table), [4, 2, 3]);
        table.remove(2);
        table.rows_mut()[0].put("name", "b");
        assert_eq!(ids(&table), [1, 4, 3]);
        table.add([("name", "a")]);
        table.retain(|row| row.number() != 3);
        assert_eq!(ids(&table), [1, 4, 5]);
    }
}
