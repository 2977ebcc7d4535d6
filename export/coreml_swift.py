"""How an app uses a Core ML package."""

from __future__ import annotations

from mvpose.artefact import Artefact
from mvpose.export.coreml_operators import INPUT, OUTPUT

SNIPPET = """\
// {name}, {recipe}: heatmaps of one person's keypoints. Written by mvpose-export; NOT RUN, since it
// was written where there is no Xcode.
import CoreML
import CoreVideo

struct {type} {{
    static let width = {width}, height = {height}  // of the crop, in pixels
    static let keypoints = [{keypoints}]

    private let model: MLModel

    /// - Parameter url: of the compiled model; Xcode compiles `{name}.mlpackage` to `.mlmodelc`.
    init(url: URL) throws {{
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .all
        model = try MLModel(contentsOf: url, configuration: configuration)
    }}

    /// One map per keypoint, `[keypoint][row * columns + column]`; {columns} columns, {rows} rows.
    ///
    /// - Parameter crop: 32BGRA, `width` x `height`: the person's box, grown by {padding} and to
    ///   the crop's aspect ratio. Core ML takes the colours apart; no scaling or mean is to be
    ///   applied.
    func heatmaps(of crop: CVPixelBuffer) throws -> [[Float]] {{
        let image = MLFeatureValue(pixelBuffer: crop)
        let input = try MLDictionaryFeatureProvider(dictionary: ["{input}": image])
        let output = try model.prediction(from: input)
        guard let maps = output.featureValue(for: "{output}")?.multiArrayValue else {{ return [] }}
        let (cells, strides) = ({rows} * {columns}, maps.strides.map(\\.intValue))
        return maps.withUnsafeBufferPointer(ofType: Float.self) {{ values in
            Self.keypoints.indices.map {{ keypoint in
                (0..<cells).map {{ cell in
                    let (row, column) = cell.quotientAndRemainder(dividingBy: {columns})
                    return values[keypoint * strides[1] + row * strides[2] + column * strides[3]]
                }}
            }}
        }}
    }}
}}
"""


def swift_snippet(artefact: Artefact) -> str:
    """Swift that loads a package, feeds a crop and reads the heatmaps; it was never run."""
    model = artefact.model
    width, height = model.preprocess.size_wh
    columns, rows = model.heatmap_wh
    return SNIPPET.format(
        name=model.name,
        recipe=artefact.recipe,
        type="".join(part.capitalize() for part in model.name.replace("_", "-").split("-")),
        width=width,
        height=height,
        columns=columns,
        rows=rows,
        keypoints=", ".join(f'"{name}"' for name in model.skeleton.keypoints),
        padding=model.preprocess.box_padding,
        input=INPUT,
        output=OUTPUT,
    )
