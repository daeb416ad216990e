//! Parts of ROW and ARRAY values.

use super::eval::Partial;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::NullBuffer;
use std::sync::Arc;

/// A field of each row; NULL where the row is.
pub(super) fn field(rows: &ArrayRef, index: usize) -> ArrayRef {
    let rows = rows.as_struct();
    let field = rows.column(index);
    match rows.nulls() {
        None => Arc::clone(field),
        Some(nulls) => {
            let both = NullBuffer::union(Some(nulls), field.logical_nulls().as_ref());
            let data = field.to_data().into_builder().nulls(both).build();
            arrow_array::make_array(data.expect("only NULLs were added"))
        }
    }
}

/// The element at a place counted from 1; NULL outside and where either is NULL.
pub(super) fn element(array: &Partial, index: &Partial, rows: usize) -> ArrayRef {
    let lists = array.array.as_list::<i32>();
    let places = index.array.as_primitive::<Int32Type>();
    let taken: UInt32Array = (0..rows)
        .map(|row| {
            let (list, place) = (array.index(row), index.index(row));
            if lists.is_null(list) || places.is_null(place) {
                return None;
            }
            let place = usize::try_from(places.value(place)).ok()?.checked_sub(1)?;
            let offsets = lists.value_offsets();
            let (start, end) = (offsets[list] as usize, offsets[list + 1] as usize);
            (place < end - start).then(|| (start + place) as u32)
        })
        .collect();
    arrow_select::take::take(lists.values(), &taken, None).expect("the places lie in the lists")
}
