//! Steps that read what a one-hot encoder makes read the column that it encodes: trees test it for
//! a category, a linear part looks the category's coefficient up. So nothing widens a row only to
//! have it narrowed, and the bits of the score stay what they are.

use std::collections::{HashMap, HashSet};

use super::ops::{Origin, Picked, Piece, RowShape};
use super::planning::{PlannedStep, Planning, Source};

/// The number of the matrix among values; the output of step `n` has the number `n + 1`.
const MATRIX: usize = 0;
/// The most columns of all values together that are looked through: a small file must not ask for
/// all memory.
const PIECES_MAX: usize = 1 << 20;

/// What the columns of each step's output are made of; none where that is its own cells.
type Known = Vec<Option<Vec<Piece<Origin>>>>;

impl Planning<'_> {
    /// Has each step that can read the cells which its input is made of, and leaves out the steps
    /// that nobody reads any more. No step gets more than `inputs_max` inputs by it.
    pub(super) fn look_through(&mut self, inputs_max: usize) {
        let mut known = Known::new();
        let mut pieces = 0;
        while known.len() < self.steps.len() {
            if self.look_through_input_of(known.len(), &known, inputs_max) {
                // A step that picks cells was put before it.
                known.push(None);
                continue;
            }
            let step = &self.steps[known.len()];
            let inputs: Vec<_> = step.inputs.iter().map(|it| self.pieces_of(*it, &known)).collect();
            let made = step.operator.pieces(&inputs, &step.shapes);
            pieces += made.as_ref().map_or(0, Vec::len);
            known.push(made.filter(|_| pieces <= PIECES_MAX));
        }
        while let Some(unread) =
            (0..self.steps.len().saturating_sub(1)).rev().find(|step| self.readers(*step) == 0)
        {
            self.remove(unread);
        }
    }

    /// Does it for one step. True if a step was put before it.
    fn look_through_input_of(&mut self, place: usize, known: &Known, inputs_max: usize) -> bool {
        let [input @ Source::Step(before)] = *self.steps[place].inputs.as_slice() else {
            return false;
        };
        if known[before].is_none() {
            return false;
        }
        let pieces = self.pieces_of(input, known);
        let origins = distinct(&pieces);
        let values: HashSet<_> = origins.iter().map(|origin| origin.value).collect();
        let Some(first) = origins.first().map(|origin| origin.value) else { return false };
        let element = self.steps[place].shapes[0].element;
        if origins.iter().any(|origin| self.shape(source_of(origin.value)).element != element) {
            return false;
        }
        let encodes = pieces.iter().any(|piece| matches!(piece, Piece::Is(..)));
        let is_one_value = values.len() == 1;
        if !(encodes || is_one_value) || values.len() > inputs_max {
            return false;
        }
        let by_origin: HashMap<_, _> = origins.iter().zip(0..).collect();
        let position =
            |origin: &Origin| if is_one_value { origin.column } else { by_origin[origin] };
        let placed: Vec<_> = pieces.iter().map(|piece| piece.map(position)).collect();
        if !self.steps[place].operator.read_through(&placed) {
            return false;
        }
        if is_one_value {
            self.read(place, source_of(first));
        } else {
            self.pick_for(place, &origins);
        }
        !is_one_value
    }

    /// Puts a step before the one at `place` that picks these cells for it.
    fn pick_for(&mut self, place: usize, origins: &[Origin]) {
        let mut values: Vec<usize> = origins.iter().map(|origin| origin.value).collect();
        values.sort_unstable();
        values.dedup();
        let input = |value| values.partition_point(|known| *known < value);
        let places = origins.iter().map(|origin| (input(origin.value), origin.column)).collect();
        let inputs: Vec<_> = values.iter().map(|value| source_of(*value)).collect();
        let shapes: Vec<_> = inputs.iter().map(|source| self.shape(*source)).collect();
        let output = RowShape { columns: origins.len(), ..shapes[0] };
        let operator = Box::new(Picked::new(places));
        let node = self.steps[place].node;
        self.steps.insert(place, PlannedStep { node, operator, inputs, shapes, output });
        for source in self.steps[place + 1..].iter_mut().flat_map(|step| &mut step.inputs) {
            if let Source::Step(step) = source
                && *step >= place
            {
                *step += 1;
            }
        }
        self.read(place + 1, Source::Step(place));
    }

    fn read(&mut self, place: usize, source: Source) {
        let shape = self.shape(source);
        let step = &mut self.steps[place];
        (step.inputs, step.shapes) = (vec![source], vec![shape]);
    }

    /// What a value's columns are made of.
    fn pieces_of(&self, source: Source, known: &Known) -> Vec<Piece<Origin>> {
        let own = |value| {
            let columns = 0..self.shape(source).columns;
            columns.map(|column| Piece::Cell(Origin { value, column })).collect()
        };
        match source {
            Source::Step(step) => known[step].clone().unwrap_or_else(|| own(step + 1)),
            // No step reads columns before a step cuts them out.
            Source::Features | Source::Columns { .. } => own(MATRIX),
        }
    }
}

fn source_of(value: usize) -> Source {
    value.checked_sub(1).map_or(Source::Features, Source::Step)
}

/// The cells that columns are made of, each once, in the order in which they come.
fn distinct(pieces: &[Piece<Origin>]) -> Vec<Origin> {
    let mut seen = HashSet::new();
    pieces.iter().map(|piece| *piece.place()).filter(|origin| seen.insert(*origin)).collect()
}

#[cfg(test)]
mod tests;
