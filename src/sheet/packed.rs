//! Figures of a reading in one cell: each an unsigned 64-bit number, big endian, one after the other.
//!
//! What a reading writes of fifty thousand accounts is written in one transaction, and on MariaDB a cell of 40 bytes costs as
//! much as one number of 8: so figures that are always written together stand together. To read them by hand:
//! `SELECT HEX(counter) FROM standing WHERE seated = 0`, 16 digits a figure.

use crate::db::{Error, Result, Value};

/// The cell of some figures.
pub fn pack<const N: usize>(figures: [u64; N]) -> Value {
    Value::Blob(figures.iter().flat_map(|figure| figure.to_be_bytes()).collect())
}

/// The figures of a cell; nothing where there is none.
///
/// # Errors
/// [`Error::Defect`] where the cell holds more or fewer figures.
pub fn unpack<const N: usize>(cell: Option<Vec<u8>>) -> Result<[u64; N]> {
    let mut figures = [0; N];
    let Some(cell) = cell else { return Ok(figures) };
    let (words, rest) = cell.as_chunks::<8>();
    if words.len() != N || !rest.is_empty() {
        return Err(Error::Defect(format!("a cell of {} bytes where {N} figures are kept", cell.len())));
    }
    for (figure, word) in figures.iter_mut().zip(words) {
        *figure = u64::from_be_bytes(*word);
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_back_and_other_cells_are_refused() {
        let Value::Blob(cell) = pack([0, 1, u64::MAX, 1 << 40]) else { panic!("a blob") };
        assert_eq!(unpack::<4>(Some(cell.clone())).unwrap(), [0, 1, u64::MAX, 1 << 40]);
        assert_eq!(unpack::<4>(None).unwrap(), [0; 4]);
        for wrong in [&cell[..31], &cell[..24], &[]] {
            assert!(matches!(unpack::<4>(Some(wrong.to_vec())), Err(Error::Defect(_))), "{wrong:?}");
        }
        assert!(unpack::<3>(Some(cell)).is_err());
    }
}
