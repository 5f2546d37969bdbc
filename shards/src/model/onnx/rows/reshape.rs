//! Follows the rows through a change of shape: where their axis goes when axes are added, taken
//! away, moved, split and merged.

use tract_onnx::tract_hir::internal::{AxisOp, DimLike, Symbol, TDim};

use super::{Along, each, has};

/// Where rows lie after a change of axes, if they still lie along one.
pub(super) fn follow(change: &AxisOp, along: Along, rows: &Symbol) -> Option<Along> {
    let Along { axis, each: elements } = along;
    let axis = match change {
        AxisOp::Add(added) if *added <= axis => axis + 1,
        AxisOp::Rm(removed) if *removed == axis => return None,
        AxisOp::Rm(removed) if *removed < axis => axis - 1,
        AxisOp::Add(_) | AxisOp::Rm(_) => axis,
        AxisOp::Move(from, to) if *from == axis => *to,
        AxisOp::Move(from, to) => {
            let without = if *from < axis { axis - 1 } else { axis };
            if *to <= without { without + 1 } else { without }
        }
        AxisOp::Reshape(first, from, to) => {
            if axis < *first {
                axis
            } else if axis >= first + from.len() {
                axis - from.len() + to.len()
            } else {
                let (inside, elements) = regroup(from, to, axis - first, rows)?;
                return Some(Along { axis: first + inside, each: elements });
            }
        }
    };
    Some(Along { axis, each: elements })
}

/// Where the rows of axis `axis` of the shape `from` lie in the shape `to`, of as many elements:
/// in the one axis that begins where theirs does, if it holds whole rows.
fn regroup(from: &[TDim], to: &[TDim], axis: usize, rows: &Symbol) -> Option<(usize, usize)> {
    let product = |dims: &[TDim]| {
        dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(dim.to_usize().ok()?))
    };
    let before = product(&from[..axis])?;
    // How many elements of the whole belong to one row, below one element of the axes before.
    let below = each(&from[axis], rows)?.checked_mul(product(&from[axis + 1..])?)?;
    let place = to.iter().position(|dim| has(dim, rows))?;
    let elements = each(&to[place], rows)?;
    let same = product(&to[..place])? == before
        && elements.checked_mul(product(&to[place + 1..])?)? == below;
    same.then_some((place, elements))
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_hir::internal::{SymbolScope, ToDim};

    use super::*;

    fn symbol() -> (SymbolScope, Symbol) {
        let scope = SymbolScope::default();
        let rows = scope.sym("N");
        (scope, rows)
    }

    #[test]
    fn axes_come_and_go_around_the_rows() {
        let (_scope, rows) = symbol();
        let at = |axis| Along { axis, each: 3 };
        for (change, from, to) in [
            (AxisOp::Add(0), 0, Some(1)),
            (AxisOp::Add(1), 0, Some(0)),
            (AxisOp::Rm(0), 1, Some(0)),
            (AxisOp::Rm(0), 0, None),
            (AxisOp::Rm(2), 1, Some(1)),
            (AxisOp::Move(0, 2), 0, Some(2)),
            (AxisOp::Move(0, 2), 1, Some(0)),
            (AxisOp::Move(0, 2), 2, Some(1)),
            (AxisOp::Move(2, 0), 0, Some(1)),
            (AxisOp::Move(2, 0), 2, Some(0)),
            (AxisOp::Move(0, 1), 2, Some(2)),
        ] {
            assert_eq!(follow(&change, at(from), &rows), to.map(at), "{change:?} {from}");
        }
    }

    #[test]
    fn rows_stay_whole_or_are_lost() {
        let (_scope, rows) = symbol();
        let n = rows.to_dim();
        let reshape = |from: Vec<TDim>, to: Vec<TDim>| {
            AxisOp::Reshape(0, from.into_iter().collect(), to.into_iter().collect())
        };
        let three = 3.to_dim();
        let flat = n.clone() * 3;
        for (from, axis, elements, to, found) in [
            // [N, 3] → [3N] → [N, 3], and [N, 6] → [N, 2, 3].
            (vec![n.clone(), three.clone()], 0, 1, vec![flat.clone()], Some((0, 3))),
            (vec![flat.clone()], 0, 3, vec![n.clone(), three.clone()], Some((0, 1))),
            (
                vec![n.clone(), 6.to_dim()],
                0,
                1,
                vec![n.clone(), 2.to_dim(), three.clone()],
                Some((0, 1)),
            ),
            // [3N] → [3, N]: a row's elements would be torn apart.
            (vec![flat.clone()], 0, 3, vec![three.clone(), n.clone()], None),
            // [3, N] → [3N]: the rows would lie between each other.
            (vec![three.clone(), n.clone()], 1, 1, vec![flat.clone()], None),
            (
                vec![three.clone(), n.clone()],
                1,
                1,
                vec![three.clone(), 1.to_dim(), n.clone()],
                Some((2, 1)),
            ),
            // [N, 3] → [3, N] without a transposition.
            (vec![n.clone(), three.clone()], 0, 1, vec![three.clone(), n.clone()], None),
        ] {
            let name = format!("{from:?} {to:?}");
            let along = Along { axis, each: elements };
            let follows = follow(&reshape(from, to), along, &rows);
            assert_eq!(follows.map(|along| (along.axis, along.each)), found, "{name}");
        }
    }
}
