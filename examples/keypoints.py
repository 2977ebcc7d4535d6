"""Keypoints of one person by an exported file, without mvpose: NumPy and the file's runtime only.

    python keypoints.py model.tflite picture.npy 40,20,130,300
    python keypoints.py model.onnx picture.npy 40,20,130,300

The picture is an array (height, width, 3) of uint8, RGB; the box is left, top, width, height in
pixels. Prints name, x, y and score of each keypoint. Everything about the model is read from the
description inside the file.
"""

import json
import sys
import zipfile

import numpy as np


def open_tflite(path):
    """The description, and a function from a crop (H, W, 3) to heatmaps (K, h, w)."""
    from ai_edge_litert.interpreter import Interpreter

    about = json.loads(zipfile.ZipFile(path).read("mvpose.json"))
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(crop):
        stored = crop
        if about["input"]["scale"]:
            stored = np.round(crop / about["input"]["scale"]) + about["input"]["zero_point"]
        interpreter.set_tensor(given["index"], stored[None].astype(about["input"]["dtype"]))
        interpreter.invoke()
        maps = interpreter.get_tensor(made["index"])[0].astype(np.float32)
        if about["output"]["scale"]:
            maps = (maps - about["output"]["zero_point"]) * about["output"]["scale"]
        return maps.transpose(2, 0, 1)

    return about, run


def open_onnx(path):
    """The same for an ``.onnx`` file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["mvpose.json"])
    return about, lambda crop: session.run(
        None, {"image": crop.transpose(2, 0, 1)[None].astype(np.float32)}
    )[0][0]


def region_of(box, width, height, padding):
    """Centre and size of what is cut out around a box: of the crop's proportions, and padded."""
    left, top, w, h = box
    centre = np.array([left + w / 2, top + h / 2])
    w, h = max(w, h * width / height), max(h, w * height / width)
    return centre, np.array([w, h]) * padding


def cut_out(picture, centre, size, width, height):
    """The crop, bilinear; black outside the picture. Its corners are pixel centres (UDP)."""
    unit = size / (np.array([width, height]) - 1)
    origin = centre - size / 2
    xs = origin[0] + np.arange(width) * unit[0]
    ys = origin[1] + np.arange(height) * unit[1]
    rows, columns, _ = picture.shape
    crop = np.zeros((height, width, 3))
    x0, y0 = np.floor(xs).astype(int), np.floor(ys).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = x0 + dx, y0 + dy
            weight = np.outer(1 - abs(ys - y), 1 - abs(xs - x))
            inside = np.outer((y >= 0) & (y < rows), (x >= 0) & (x < columns))
            values = picture[y.clip(0, rows - 1)][:, x.clip(0, columns - 1)]
            crop += (weight * inside)[:, :, None] * values
    return crop.round().clip(0, 255).astype(np.uint8)


def decode(heatmap):
    """Column, row and height of the peak, moved a quarter of a cell towards the higher side."""
    rows, columns = heatmap.shape
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    dx = dy = 0.0
    if 0 < x < columns - 1:
        dx = 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
    if 0 < y < rows - 1:
        dy = 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    return x + dx, y + dy, heatmap[y, x]


def main(path, picture, box):
    about, run = open_tflite(path) if path.endswith(".tflite") else open_onnx(path)
    preprocess = about["model"]["preprocess"]
    width, height = preprocess["input_width_px"], preprocess["input_height_px"]
    box = [float(part) for part in box.split(",")]
    centre, size = region_of(box, width, height, preprocess["box_padding"])
    heatmaps = run(cut_out(np.load(picture), centre, size, width, height))
    cells = np.array([heatmaps.shape[2], heatmaps.shape[1]]) - 1
    for name, heatmap in zip(about["model"]["skeleton"]["keypoints"], heatmaps, strict=True):
        x, y, score = decode(heatmap)
        point = centre - size / 2 + np.array([x, y]) / cells * size
        print(f"{name} {point[0]:.2f} {point[1]:.2f} {score:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
