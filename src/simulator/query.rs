//! Query words of `print`: a stack of truths, worked through for every row (manual, "API", section "Queries").

use std::{borrow::Cow, collections::HashSet};

/// One query word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Has(String),
    Lacks(String),
    Equal(String, String),
    Less(String, String),
    Greater(String, String),
    Operations(String),
}

/// The query words of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    words: Vec<Word>,
    /// What most clients ask: one property, one of many values. It need not be worked through word by word.
    one_of: Option<(String, Values)>,
}

/// Values that pass.
pub type Values = HashSet<String>;

impl Query {
    /// Reads query words, each with its `?`.
    pub fn read(words: &[String]) -> Query {
        let words: Vec<Word> = words.iter().filter_map(|word| word.strip_prefix('?')).map(read).collect();
        Query { one_of: one_of(&words), words }
    }

    /// The names of which a row that passes has one, where it is names that are asked for.
    pub fn names(&self) -> Option<&Values> {
        self.one_of.as_ref().filter(|(property, _)| property == "name").map(|(_, names)| names)
    }

    /// Whether the row passes; `value` gives a property of it, or `None` if it has none.
    pub fn passes<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        match &self.one_of {
            Some((name, values)) => value(name).is_some_and(|have| values.contains(&*have)),
            None => self.works_out(value),
        }
    }

    fn works_out<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        let mut stack: Vec<bool> = Vec::new();
        for word in &self.words {
            let truth = match word {
                Word::Has(name) => value(name).is_some(),
                Word::Lacks(name) => value(name).is_none(),
                Word::Equal(name, wanted) => value(name).is_some_and(|have| same(&have, wanted)),
                Word::Less(name, limit) => value(name).is_some_and(|have| order(&have, limit).is_lt()),
                Word::Greater(name, limit) => value(name).is_some_and(|have| order(&have, limit).is_gt()),
                Word::Operations(operations) => {
                    operate(&mut stack, operations);
                    continue;
                }
            };
            stack.push(truth);
        }
        stack.iter().all(|truth| *truth)
    }
}

/// `a=1`, `a=2`, `#|`, `a=3`, `#|` …: what it comes to. Switches have two spellings and are left to the stack.
fn one_of(words: &[Word]) -> Option<(String, Values)> {
    let Some(Word::Equal(first, _)) = words.first() else { return None };
    let mut values = Values::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Word::Equal(name, value) = word else { return None };
        if name != first || matches!(value.as_str(), "yes" | "no") {
            return None;
        }
        let joined = values.is_empty() || words.next() == Some(&Word::Operations("|".to_owned()));
        if !joined {
            return None;
        }
        values.insert(value.clone());
    }
    Some((first.clone(), values))
}

fn read(word: &str) -> Word {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    match word.chars().next() {
        Some('#') => Word::Operations(word[1..].to_owned()),
        Some('-') => Word::Lacks(word[1..].to_owned()),
        Some('<') => {
            let (name, value) = pair(&word[1..]);
            Word::Less(name, value)
        }
        Some('>') => {
            let (name, value) = pair(&word[1..]);
            Word::Greater(name, value)
        }
        // `?=name=value` is the older spelling of `?name=value`.
        _ => match word.strip_prefix('=').unwrap_or(word) {
            word if word.contains('=') => {
                let (name, value) = pair(word);
                Word::Equal(name, value)
            }
            word => Word::Has(word.to_owned()),
        },
    }
}

fn same(have: &str, wanted: &str) -> bool {
    have == wanted || matches!((have, wanted), ("true", "yes") | ("false", "no"))
}

fn order(have: &str, limit: &str) -> std::cmp::Ordering {
    match (have.parse::<i128>(), limit.parse::<i128>()) {
        (Ok(have), Ok(limit)) => have.cmp(&limit),
        _ => have.cmp(limit),
    }
}

/// Below its bottom the stack holds `true` without end.
fn pop(stack: &mut Vec<bool>) -> bool {
    stack.pop().unwrap_or(true)
}

fn at(stack: &[bool], index: usize) -> bool {
    stack.len().checked_sub(index + 1).is_none_or(|place| stack[place])
}

fn operate(stack: &mut Vec<bool>, operations: &str) {
    let mut digits = String::new();
    for operation in operations.chars() {
        if operation.is_ascii_digit() {
            digits.push(operation);
            continue;
        }
        let indexed = !digits.is_empty();
        if let Ok(index) = std::mem::take(&mut digits).parse() {
            stack.push(at(stack, index));
        }
        match operation {
            '!' => {
                let top = pop(stack);
                stack.push(!top);
            }
            '&' => {
                let (one, other) = (pop(stack), pop(stack));
                stack.push(one && other);
            }
            '|' => {
                let (one, other) = (pop(stack), pop(stack));
                stack.push(one || other);
            }
            '.' if !indexed => stack.push(at(stack, 0)),
            _ => {}
        }
    }
    if let Ok(index) = digits.parse() {
        let value = at(stack, index);
        *stack = vec![value];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(words: &[&str], row: &[(&'static str, &'static str)]) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Query::read(&words)
            .passes(|name| row.iter().find(|(key, _)| *key == name).map(|(_, value)| Cow::Borrowed(*value)))
    }

    #[test]
    fn the_examples_of_the_manual_hold() {
        let either = ["?type=ether", "?type=vlan", "?#|"];
        assert!(passes(&either, &[("type", "ether")]));
        assert!(passes(&either, &[("type", "vlan")]));
        assert!(!passes(&either, &[("type", "bridge")]));
        assert!(passes(&["?>comment="], &[("comment", "x")]));
        assert!(!passes(&["?>comment="], &[]));
        let not_both = ["?>distance=1", "?gateway=172.16.1.1", "?#&!"];
        assert!(!passes(&not_both, &[("distance", "10"), ("gateway", "172.16.1.1")]));
        assert!(passes(&not_both, &[("distance", "1"), ("gateway", "172.16.1.1")]));
    }

    #[test]
    fn presence_absence_and_order() {
        assert!(passes(&["?comment"], &[("comment", "")]));
        assert!(passes(&["?-comment"], &[("name", "a")]));
        assert!(passes(&["?<n=100"], &[("n", "20")]), "numbers order as numbers");
        assert!(!passes(&["?<n=100"], &[("n", "200")]));
        assert!(passes(&["?disabled=yes"], &[("disabled", "true")]));
        assert!(passes(&["?=name=a"], &[("name", "a")]));
        assert!(!passes(&["?name=a", "?n=1"], &[("name", "a"), ("n", "2")]), "several words all must hold");
        assert!(passes(&[], &[]));
    }

    #[test]
    fn stack_indexes_copy_and_replace() {
        // false, true; copy of the value at 1 (false); or of the top two -> true; then `0` keeps only that.
        assert!(passes(&["?a=2", "?a=1", "?#1|", "?#0"], &[("a", "1")]));
        // `.` after an operation doubles the top; `!` on the copy leaves one false behind.
        assert!(!passes(&["?a=1", "?#!!.!"], &[("a", "1")]));
        // `.` after an index does nothing.
        assert!(passes(&["?a=1", "?#0."], &[("a", "1")]));
        assert!(passes(&["?#&|"], &[]), "an empty stack holds truths");
        assert!(!passes(&["?#!"], &[]));
    }

    #[test]
    fn one_of_many_values_is_what_the_stack_makes_of_it() {
        let words = |count: usize| {
            let each = (0..count).flat_map(|n| [Some(format!("?name=user{n}")), (n > 0).then(|| "?#|".to_owned())]);
            each.flatten().collect::<Vec<_>>()
        };
        let odd: [&[&str]; 6] = [
            &["?name=user1", "?name=user2"],
            &["?name=user1", "?name=user2", "?#&"],
            &["?name=user1", "?comment=user1", "?#|"],
            &["?name=user1", "?name=user2", "?#|", "?#!"],
            &["?name=yes"],
            &["?name=user1", "?#|"],
        ];
        let odd = odd.into_iter().map(|words| words.iter().map(|it| (*it).to_owned()).collect());
        for words in (0..5).map(words).chain(odd) {
            let query = Query::read(&words);
            for name in ["user0", "user1", "user2", "user4", "true", ""] {
                let value = |asked: &str| (asked == "name" && !name.is_empty()).then_some(Cow::Borrowed(name));
                assert_eq!(query.passes(value), query.works_out(value), "{words:?} {name:?}");
            }
        }
    }
}
