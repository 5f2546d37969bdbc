//! Operators on codes give what they give on texts.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use super::super::graph::ScoreGraph;
use super::super::ops::RowShape;
use super::super::{Engine, inputs};
use super::attributes::{floats, integer};
use crate::features::FeatureMatrix;
use crate::model::answer::{ClassChoice, Kept, ScoreOutput};
use crate::model::trees::KernelChoice;

fn value(name: &str, data_type: DataType, columns: usize) -> ValueInfoProto {
    let dim = |value| Dimension { value, ..Dimension::default() };
    let columns = dimension::Value::DimValue(columns as i64);
    let rows = dimension::Value::DimParam("N".to_owned());
    let shape = TensorShapeProto { dim: vec![dim(Some(rows)), dim(Some(columns))] };
    let tensor = type_proto::Tensor { elem_type: data_type as i32, shape: Some(shape) };
    let value = Some(type_proto::Value::TensorType(tensor));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { name: name.to_owned(), r#type, ..ValueInfoProto::default() }
}

fn node(op_type: &str, from: &[&str], to: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    let is_ml = ["LabelEncoder", "OneHotEncoder"].contains(&op_type);
    NodeProto {
        op_type: op_type.to_owned(),
        name: format!("{op_type} {to}"),
        domain: if is_ml { "ai.onnx.ml".to_owned() } else { String::new() },
        input: from.iter().map(|&name| name.to_owned()).collect(),
        output: vec![to.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn strings(name: &str, texts: &[String]) -> AttributeProto {
    let strings = texts.iter().map(|text| text.clone().into_bytes()).collect();
    let r#type = AttributeType::Strings as i32;
    AttributeProto { name: name.to_owned(), r#type, strings, ..AttributeProto::default() }
}

/// A graph of a table of values for column `a`, and bits for column `b` after it.
fn graph(keys: &[String], values: &[f32], default: f32, categories: &[String]) -> ModelProto {
    let shape = TensorProto {
        name: "shape".to_owned(),
        dims: vec![2],
        data_type: DataType::Int64 as i32,
        int64_data: vec![-1, categories.len() as i64],
        ..TensorProto::default()
    };
    let encoder = vec![
        strings("keys_strings", keys),
        floats("values_floats", values.to_vec()),
        super::attributes::float("default_float", default),
    ];
    let one_hot = vec![strings("cats_strings", categories), integer("zeros", 1)];
    let graph = GraphProto {
        node: vec![
            node("LabelEncoder", &["a"], "value", encoder),
            node("OneHotEncoder", &["b"], "deep", one_hot),
            node("Reshape", &["deep", "shape"], "bits", Vec::new()),
            node("Concat", &["value", "bits"], "score", vec![integer("axis", 1)]),
        ],
        initializer: vec![shape],
        input: vec![value("a", DataType::String, 1), value("b", DataType::String, 1)],
        output: vec![value("score", DataType::Float, 1 + categories.len())],
        ..GraphProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    ModelProto {
        ir_version: 9,
        opset_import: vec![opset("", 18), opset("ai.onnx.ml", 3)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// Column `class` of the output for rows of two texts.
fn scores(proto: ModelProto, class: usize, rows: &[(String, String)]) -> Vec<f64> {
    let output = ScoreOutput::of(None, Some(ClassChoice::Index(class)));
    let graph = ScoreGraph::select(proto, &output).expect("a graph");
    let inputs = inputs::widths(&graph.inputs, None).expect("widths");
    let categories = inputs::categories(&inputs, &graph.texts);
    let precision = inputs::precision(&graph.inputs);
    let shape = RowShape { columns: 2, element: precision.into() };
    let engine =
        Engine::build(&graph, &inputs, shape, KernelChoice::Auto, |_| Ok(Kept::Only(class)));
    let mut matrix = FeatureMatrix::new(2, precision);
    matrix.reset(rows.len());
    for (row, (a, b)) in rows.iter().enumerate() {
        for (column, text) in [a, b].into_iter().enumerate() {
            let known = categories[column].as_deref().expect("of text");
            let code = known.code(text.as_bytes()).or(known.unknown());
            matrix.set(row, column, code.expect("it never fails"));
        }
    }
    let mut scores = Vec::new();
    match engine.expect("it is built") {
        Engine::Program(mut program) => program.run(&matrix, &mut scores).expect("scores"),
        Engine::Tract(_) => panic!("it is a program"),
    }
    scores
}

fn table() -> impl Strategy<Value = Vec<String>> {
    btree_set("[a-c]{0,2}|nan|None|_Unused|é{1,2}", 1..8).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn a_code_stands_for_its_text(
        keys in table(),
        categories in table(),
        default in -4_i8..4,
        rows in vec(("[a-c]{0,2}|nan|None|_Unused|é{1,2}", "[a-c]{0,2}|nan|é{1,2}|-1|0"), 1..20),
    ) {
        let values: Vec<_> = (0..keys.len()).map(|place| place as f32 * 1.5 - 2.0).collect();
        let default = f32::from(default);
        let made = |class| scores(graph(&keys, &values, default, &categories), class, &rows);
        let value = |text: &String| {
            let place = keys.iter().position(|key| key == text);
            f64::from(place.map_or(default, |place| values[place]))
        };
        let expected: Vec<_> = rows.iter().map(|(a, _)| value(a)).collect();
        prop_assert_eq!(made(0), expected);
        for (place, category) in categories.iter().enumerate() {
            let expected: Vec<_> =
                rows.iter().map(|(_, b)| if b == category { 1.0 } else { 0.0 }).collect();
            prop_assert_eq!(made(place + 1), expected);
        }
    }
}
