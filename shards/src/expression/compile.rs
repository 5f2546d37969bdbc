//! From expressions to a program: names and types are resolved, and equal parts computed once.

use std::collections::{HashMap, HashSet};

use super::error::{ExpressionError, Fault};
use super::frame::{Call, Register};
use super::functions::{self, Function};
use super::parse::parse;
use super::program::{Constant, Definition, Name, Port, Program, Step};
use super::syntax::{Node, NodeKind};
use super::token::Located;
use super::types::Type;

/// The most columns that a program has: 4 MiB of them.
const REGISTERS_MAX: usize = 8_192;

/// How many names an error lists.
const LISTED_MAX: usize = 24;

pub(super) fn compile(
    names: &[Name],
    definitions: &[Definition<'_>],
) -> Result<Program, ExpressionError> {
    let fail = |place: usize, (at, fault): Located| {
        let Definition { name, text, .. } = definitions[place];
        ExpressionError { name: name.to_owned(), text: text.to_owned(), at, fault: Box::new(fault) }
    };
    let parse = |place: usize| parse(definitions[place].text).map_err(|it| fail(place, it));
    let trees: Vec<Node> = (0..definitions.len()).map(parse).collect::<Result<_, _>>()?;
    let order = order(definitions, &trees).map_err(|(place, located)| fail(place, located))?;
    // All of them are checked; then what outputs need is compiled alone.
    let mut whole = Builder::new(names, definitions);
    for place in &order {
        whole.define(definitions[*place].name, &trees[*place]).map_err(|it| fail(*place, it))?;
    }
    let needed = needed(definitions, &trees);
    let mut builder = Builder::new(names, definitions);
    for place in order.iter().filter(|place| needed.contains(*place)) {
        builder.define(definitions[*place].name, &trees[*place]).map_err(|it| fail(*place, it))?;
    }
    let mut program = builder.program;
    for (place, definition) in definitions.iter().enumerate().filter(|(_, it)| it.is_output) {
        let Some(Operand { register, value_type }) = builder.defined.get(definition.name) else {
            continue;
        };
        let Some(value_type) = *value_type else {
            return Err(fail(place, (0, Fault::BareNull { function: "null".to_owned() })));
        };
        let name = definition.name.to_owned();
        program.outputs.push(Port { name, value_type, register: *register });
    }
    Ok(program)
}

/// An order in which each definition stands behind those that it reads.
fn order(definitions: &[Definition<'_>], trees: &[Node]) -> Result<Vec<usize>, (usize, Located)> {
    let mut order = Vec::with_capacity(trees.len());
    let mut waiting: HashMap<&str, usize> =
        definitions.iter().enumerate().map(|(place, it)| (it.name, place)).collect();
    let mut rest: Vec<usize> = (0..trees.len()).collect();
    while !rest.is_empty() {
        let before = rest.len();
        rest.retain(|place| {
            let mut is_ready = true;
            trees[*place].names(&mut |name, _| is_ready &= !waiting.contains_key(name));
            if is_ready {
                order.push(*place);
                waiting.remove(definitions[*place].name);
            }
            !is_ready
        });
        if rest.len() == before {
            return Err(cycle(definitions, trees, &waiting, rest[0]));
        }
    }
    Ok(order)
}

/// A circle among those that wait for each other, with its first name's place.
fn cycle(
    definitions: &[Definition<'_>],
    trees: &[Node],
    waiting: &HashMap<&str, usize>,
    from: usize,
) -> (usize, Located) {
    let next = |place: usize| {
        let mut found = None;
        trees[place].names(&mut |name, at| {
            found = found.or_else(|| Some((*waiting.get(name)?, at)));
        });
        found.unwrap_or((place, 0))
    };
    let mut path = vec![from];
    loop {
        let (place, _) = next(path[path.len() - 1]);
        if let Some(start) = path.iter().position(|known| *known == place) {
            path.drain(..start);
            break;
        }
        path.push(place);
    }
    let mut names: Vec<_> = path.iter().map(|place| definitions[*place].name).collect();
    names.push(names[0]);
    (path[0], (next(path[0]).1, Fault::Cycle(names.join(" → "))))
}

/// The definitions that outputs need, directly or by others.
fn needed(definitions: &[Definition<'_>], trees: &[Node]) -> HashSet<usize> {
    let places: HashMap<&str, usize> =
        definitions.iter().enumerate().map(|(place, it)| (it.name, place)).collect();
    let outputs = definitions.iter().enumerate().filter(|(_, it)| it.is_output);
    let mut open: Vec<usize> = outputs.map(|(place, _)| place).collect();
    let mut needed: HashSet<usize> = open.iter().copied().collect();
    while let Some(place) = open.pop() {
        trees[place].names(&mut |name, _| {
            open.extend(places.get(name).filter(|place| needed.insert(**place)));
        });
    }
    needed
}

/// A column of the program; of the literal `null` the type is not known.
#[derive(Debug, Clone, Copy)]
struct Operand {
    register: Register,
    value_type: Option<Type>,
}

struct Builder<'a> {
    names: HashMap<&'a str, Type>,
    /// All names that there are, for people.
    available: Vec<&'a str>,
    defined: HashMap<&'a str, Operand>,
    inputs: HashMap<String, Register>,
    constants: HashMap<Constant, Register>,
    /// The steps that there are, so that none is computed twice.
    steps: HashMap<(&'static str, usize, [Register; 5]), Register>,
    program: Program,
}

impl<'a> Builder<'a> {
    fn new(names: &'a [Name], definitions: &[Definition<'a>]) -> Self {
        let own = names.iter().map(|name| name.name.as_str());
        let mut available: Vec<_> = own.chain(definitions.iter().map(|it| it.name)).collect();
        available.sort_unstable();
        Self {
            names: names.iter().map(|name| (name.name.as_str(), name.value_type)).collect(),
            available,
            defined: HashMap::new(),
            inputs: HashMap::new(),
            constants: HashMap::new(),
            steps: HashMap::new(),
            program: Program::default(),
        }
    }

    fn define(&mut self, name: &'a str, tree: &Node) -> Result<(), Located> {
        let operand = self.node(tree)?;
        self.defined.insert(name, operand);
        Ok(())
    }

    fn register(&mut self, at: usize) -> Result<Register, Located> {
        if self.program.registers == REGISTERS_MAX {
            return Err((at, Fault::TooLarge { allowed: REGISTERS_MAX }));
        }
        self.program.registers += 1;
        Ok((self.program.registers - 1) as Register)
    }

    fn node(&mut self, node: &Node) -> Result<Operand, Located> {
        let at = node.start;
        match &node.kind {
            NodeKind::Null => self.constant(at, Constant::Null, None),
            NodeKind::Bool(truth) => self.constant(at, Constant::Bool(*truth), Some(Type::Bool)),
            NodeKind::Int(number) => self.constant(at, Constant::Int(*number), Some(Type::Int)),
            NodeKind::Double(number) => {
                self.constant(at, Constant::Double(number.to_bits()), Some(Type::Double))
            }
            NodeKind::Text(text) => {
                self.constant(at, Constant::Text(text.clone()), Some(Type::Text))
            }
            NodeKind::Name(name) => self.name(at, name),
            NodeKind::Call { function, arguments } => {
                let operands =
                    arguments.iter().map(|it| self.node(it)).collect::<Result<_, _>>()?;
                self.call(at, function, operands)
            }
            NodeKind::In { value, listed } => self.is_in(at, value, listed),
        }
    }

    fn constant(
        &mut self,
        at: usize,
        constant: Constant,
        value_type: Option<Type>,
    ) -> Result<Operand, Located> {
        if let Some(register) = self.constants.get(&constant) {
            return Ok(Operand { register: *register, value_type });
        }
        let register = self.register(at)?;
        self.program.constants.push((register, constant.clone()));
        self.constants.insert(constant, register);
        Ok(Operand { register, value_type })
    }

    fn name(&mut self, at: usize, name: &str) -> Result<Operand, Located> {
        if let Some(operand) = self.defined.get(name) {
            return Ok(*operand);
        }
        let Some(value_type) = self.names.get(name).copied() else {
            let (found, available) = (name.to_owned(), list(&self.available));
            return Err((at, Fault::UnknownName { found, available }));
        };
        if let Some(register) = self.inputs.get(name) {
            return Ok(Operand { register: *register, value_type: Some(value_type) });
        }
        let register = self.register(at)?;
        self.program.inputs.push(Port { name: name.to_owned(), value_type, register });
        self.inputs.insert(name.to_owned(), register);
        Ok(Operand { register, value_type: Some(value_type) })
    }

    fn call(&mut self, at: usize, name: &str, operands: Vec<Operand>) -> Result<Operand, Located> {
        let Some(function) = functions::find(name) else {
            let names = functions::all().filter(|it| !it.is_operator()).map(|it| it.name);
            let (found, available) = (name.to_owned(), list(&names.collect::<Vec<_>>()));
            return Err((at, Fault::UnknownFunction { found, available }));
        };
        let mut operands = operands;
        while function.is_folded && operands.len() > 2 {
            let first = self.step(at, function, &operands[..2])?;
            operands.splice(..2, [first]);
        }
        self.step(at, function, &operands)
    }

    /// A step of the overload for these operands.
    fn step(
        &mut self,
        at: usize,
        function: &'static Function,
        operands: &[Operand],
    ) -> Result<Operand, Located> {
        let place = overload(function, operands).map_err(|fault| (at, fault))?;
        let overload = &function.overloads[place];
        let mut arguments = [0; 5];
        for ((argument, operand), takes) in arguments.iter_mut().zip(operands).zip(overload.takes) {
            *argument = match (operand.value_type, takes) {
                (Some(Type::Int), Type::Double) => self.widen(at, *operand)?,
                _ => operand.register,
            };
        }
        if overload.reads_clock {
            arguments[operands.len()] = match self.program.clock {
                Some(register) => register,
                None => self.register(at)?,
            };
            self.program.clock = Some(arguments[operands.len()]);
        }
        let value_type = Some(overload.gives);
        let key = (function.name, place, arguments);
        if let Some(register) = self.steps.get(&key) {
            return Ok(Operand { register: *register, value_type });
        }
        let to = self.register(at)?;
        self.program.steps.push(Step { kernel: overload.kernel, call: Call { arguments, to } });
        self.steps.insert(key, to);
        Ok(Operand { register: to, value_type })
    }

    /// The double of an int.
    fn widen(&mut self, at: usize, operand: Operand) -> Result<Register, Located> {
        Ok(self.call(at, "double", vec![operand])?.register)
    }

    /// Whether a value is equal to one of a list.
    fn is_in(&mut self, at: usize, value: &Node, listed: &[Node]) -> Result<Operand, Located> {
        let value = self.node(value)?;
        let mut found = self.constant(at, Constant::Bool(false), Some(Type::Bool))?;
        for (place, node) in listed.iter().enumerate() {
            let one = self.node(node)?;
            let is_equal = self.call(node.start, "==", vec![value, one])?;
            found = if place == 0 { is_equal } else { self.call(at, "||", vec![found, is_equal])? };
        }
        Ok(found)
    }
}

/// The place of the overload that takes these operands: exactly, else with ints for doubles.
fn overload(function: &Function, operands: &[Operand]) -> Result<usize, Fault> {
    let bare_null = || Fault::BareNull { function: function.name.to_owned() };
    let is_null = |operand: &&Operand| operand.value_type.is_none();
    let nulls = operands.iter().filter(is_null).count();
    if nulls > 0 && !function.knows_null {
        return Err(bare_null());
    }
    // What the type hangs on: the values, not the condition that chooses among them.
    let values = usize::from(function.name == "?:");
    let are_null = operands.len() > values && operands[values..].iter().all(|it| is_null(&it));
    if are_null && function.name != "is_null" {
        return Err(bare_null());
    }
    for is_wide in [false, true] {
        let fits = |takes: &[Type]| {
            let takes_it = |(operand, takes): (&Operand, &Type)| match operand.value_type {
                None => true,
                Some(Type::Int) if is_wide && *takes == Type::Double => true,
                Some(found) => found == *takes,
            };
            takes.len() == operands.len() && operands.iter().zip(takes).all(takes_it)
        };
        if let Some(place) = function.overloads.iter().position(|it| fits(it.takes)) {
            return Ok(place);
        }
    }
    let word = |it: &Operand| it.value_type.map_or("null", Type::as_str);
    Err(Fault::Types {
        function: function.name.to_owned(),
        found: operands.iter().map(word).collect::<Vec<_>>().join(", "),
        expected: function.signatures(),
    })
}

/// Names for people, not more than they read.
fn list(names: &[&str]) -> String {
    let listed: Vec<_> = names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "none".to_owned(),
        count if count > LISTED_MAX => format!("{} and more", listed.join(", ")),
        _ => listed.join(", "),
    }
}
