"""Graphs that read the same inputs, joined: their outputs side by side."""

import onnx
from onnx import TensorProto, helper

# How many parts a `Concat` of the gateway has.
PARTS_MAX = 16


def side_by_side(graph: onnx.GraphProto, names: list[str], prefix: str) -> str:
    """One value of several, however many they are."""
    level = 0
    while len(names) > 1:
        groups = [names[at:at + PARTS_MAX] for at in range(0, len(names), PARTS_MAX)]
        names = []
        for place, group in enumerate(groups):
            names.append(f"{prefix}-{level}-{place}")
            graph.node.append(helper.make_node("Concat", group, [names[-1]], axis=1))
        level += 1
    return names[0]


def joined(parts: list[onnx.ModelProto], width: int, columns: int, name: str,
           output: str) -> onnx.ModelProto:
    """One graph of several that read the same inputs: the last `width` columns of each, side by side
    and in 64 bits. One that has the columns of several members already is the only one."""
    graph = onnx.GraphProto(name=name)
    graph.input.extend(parts[0].graph.input)
    for source in graph.input:
        if source.type.tensor_type.elem_type == TensorProto.FLOAT:
            source.type.tensor_type.elem_type = TensorProto.DOUBLE
    inputs = [source.name for source in graph.input]
    made = []
    for place, part in enumerate(parts):
        add_part(graph, part, f"m{place}_", inputs)
        found = f"m{place}_{part.graph.output[0].name}"
        cast = f"{found}_double"
        graph.node.append(helper.make_node("Cast", [found], [cast], to=TensorProto.DOUBLE))
        if len(parts) > 1 or columns == width:
            cast = last_columns(graph, cast, part, width)
        made.append(cast)
    graph.node.append(helper.make_node("Identity", [side_by_side(graph, made, "join")], [output]))
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.DOUBLE, [None, columns]))
    proto = onnx.ModelProto(ir_version=parts[0].ir_version, producer_name="shardgate", graph=graph)
    versions: dict[str, int] = {}
    for opset in (opset for part in parts for opset in part.opset_import):
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    for domain, version in sorted(versions.items()):
        proto.opset_import.append(helper.make_opsetid(domain, version))
    return proto


def last_columns(graph: onnx.GraphProto, found: str, part: onnx.ModelProto, width: int) -> str:
    """Of two classes the second's value, where a graph has one for each."""
    shape = part.graph.output[0].type.tensor_type.shape.dim
    if width != 1 or len(shape) != 2 or shape[1].dim_value != 2:
        return found
    place, chosen = f"{found}_place", f"{found}_second"
    graph.initializer.append(helper.make_tensor(place, TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("ArrayFeatureExtractor", [found, place], [chosen],
                                       domain="ai.onnx.ml"))
    return chosen


def add_part(graph: onnx.GraphProto, part: onnx.ModelProto, prefix: str, inputs: list[str]) -> None:
    """Adds a graph's nodes, whose names get a prefix: but those of its inputs, which are shared."""
    shared = {source.name: name for source, name in zip(part.graph.input, inputs, strict=True)}
    for source in part.graph.input:
        if source.type.tensor_type.elem_type == TensorProto.FLOAT:
            single = f"{prefix}{source.name}_single"
            graph.node.append(helper.make_node("Cast", [shared[source.name]], [single],
                                               to=TensorProto.FLOAT))
            shared[source.name] = single

    def renamed(name: str) -> str:
        return shared.get(name) or (name and prefix + name)

    for tensor in part.graph.initializer:
        copied = graph.initializer.add()
        copied.CopyFrom(tensor)
        copied.name = renamed(tensor.name)
    for node in part.graph.node:
        copied = graph.node.add()
        copied.CopyFrom(node)
        copied.name = prefix + node.name
        copied.input[:] = map(renamed, node.input)
        copied.output[:] = map(renamed, node.output)
