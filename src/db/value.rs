//! What a cell holds, and how it becomes a Rust value.

use super::{Error, Result};
use chrono::{DateTime, NaiveDate, Utc};
use std::{net::Ipv4Addr, sync::Arc};

/// A cell. Times are milliseconds since 1970, days are `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// BIGINT and smaller.
    Int(i64),
    /// VARCHAR, TEXT; also MySQL's DECIMAL, as digits.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => |$it:ident| $to:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($it: $from) -> Self {
                $to
            }
        })*
    };
}

value_from! {
    i64 => |it| Self::Int(it),
    i32 => |it| Self::Int(it.into()),
    u32 => |it| Self::Int(it.into()),
    u16 => |it| Self::Int(it.into()),
    u8 => |it| Self::Int(it.into()),
    // Ids and byte counts beyond i64 do not exist; one that did must not turn negative.
    u64 => |it| Self::Int(i64::try_from(it).unwrap_or(i64::MAX)),
    bool => |it| Self::Int(it.into()),
    &str => |it| Self::Text(it.to_owned()),
    String => |it| Self::Text(it),
    &String => |it| Self::Text(it.clone()),
    Vec<u8> => |it| Self::Blob(it),
    Ipv4Addr => |it| Self::Text(it.to_string()),
    DateTime<Utc> => |it| Self::Int(it.timestamp_millis()),
    NaiveDate => |it| Self::Text(it.format("%Y-%m-%d").to_string()),
}

impl<T> From<Option<T>> for Value
where
    Self: From<T>,
{
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, Self::from)
    }
}

/// A type that a cell can become.
pub trait FromValue: Sized {
    /// `None` where the cell does not fit.
    fn from_value(value: &Value) -> Option<Self>;

    /// The same of a cell that is given away: texts are not copied.
    fn from_owned(value: Value) -> Option<Self> {
        Self::from_value(&value)
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(int) => Some(*int),
            // The one place where MySQL's SUM (a DECIMAL) is read.
            Value::Text(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

macro_rules! from_value_int {
    ($($int:ty),*) => {
        $(impl FromValue for $int {
            fn from_value(value: &Value) -> Option<Self> {
                Self::try_from(i64::from_value(value)?).ok()
            }
        })*
    };
}

from_value_int!(u64, u32, u16, u8, i32);

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|int| int != 0)
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn from_owned(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl FromValue for DateTime<Utc> {
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_timestamp_millis(i64::from_value(value)?)
    }
}

impl FromValue for NaiveDate {
    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value)?.parse().ok()
    }
}

impl FromValue for Ipv4Addr {
    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value)?.parse().ok()
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }

    fn from_owned(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_owned(other).map(Some),
        }
    }
}

/// A row, read by column name.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) columns: Arc<[String]>,
    pub(super) values: Vec<Value>,
}

impl Row {
    /// The named column.
    ///
    /// # Errors
    /// [`Error::Defect`] where there is no such column or its value does not fit the type.
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T> {
        let at = self.columns.iter().position(|column| column == name);
        let value = at.and_then(|at| self.values.get(at));
        value
            .and_then(T::from_value)
            .ok_or_else(|| Error::Defect(format!("column {name} is missing or holds another type")))
    }
}

/// A row that is read from left to right and given away: for statements with tens of thousands of rows, where looking
/// columns up by name costs more than reading them.
#[derive(Debug)]
pub struct Cells<'a> {
    values: std::vec::Drain<'a, Value>,
    taken: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn of(values: &'a mut Vec<Value>) -> Self {
        Self { values: values.drain(..), taken: 0 }
    }

    /// The next column of the `SELECT`.
    ///
    /// # Errors
    /// [`Error::Defect`] where there is none or its value does not fit the type.
    pub fn take<T: FromValue>(&mut self) -> Result<T> {
        self.taken += 1;
        let value = self.values.next().and_then(T::from_owned);
        value.ok_or_else(|| Error::Defect(format!("column {} is missing or holds another type", self.taken)))
    }
}
