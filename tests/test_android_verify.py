"""The checks of the Android demo: each finds what it is there to find.

Where MVPOSE_ANDROID_PARTS names the fetched parts (android_demo/verify/run fetches them), Android's
API listing is asked, too. The steps themselves are run by android_demo/verify/run.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

VERIFY = Path(__file__).parents[1] / "android_demo" / "verify"
sys.path.insert(0, str(VERIFY))

listing = importlib.import_module("steps.listing")
framework = importlib.import_module("steps.framework")
stand_ins = importlib.import_module("steps.stand_ins")
api_levels = importlib.import_module("steps.api_levels")
class_files = importlib.import_module("steps.class_files")
apk = importlib.import_module("steps.apk")
resources = importlib.import_module("steps.resources")
workshop = importlib.import_module("steps.workshop")

with_parts = pytest.mark.skipif(
    "MVPOSE_ANDROID_PARTS" not in os.environ,
    reason="NOT VERIFIED: MVPOSE_ANDROID_PARTS does not name what android_demo/verify/run fetches",
)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        pytest.param("", [], id="none"),
        pytest.param("a: number, b: string", ["number", "string"], id="plain"),
        pytest.param("m: java.util.Map<A,java.util.List<B>> | null", ["java.util.Map"], id="map"),
        pytest.param("x: androidNative.Array<number>", ["array of number"], id="array"),
    ],
)
def test_parameters_of_the_listing(text: str, types: list[str]) -> None:
    assert listing.parameter_types(text) == types


@with_parts
@pytest.mark.parametrize(
    ("owner", "name", "descriptor", "level"),
    [
        pytest.param("android/os/PowerManager", "getCurrentThermalStatus", "()I", 29, id="method"),
        pytest.param(
            "java/lang/RuntimeException",
            "<init>",
            "(Ljava/lang/String;Ljava/lang/Throwable;ZZ)V",
            24,
            id="constructor",
        ),
        pytest.param("android/app/Activity", "onCreate", "(Landroid/os/Bundle;)V", 21, id="old"),
        pytest.param(
            "android/os/PowerManager$OnThermalStatusChangedListener",
            "onThermalStatusChanged",
            "(I)V",
            29,
            id="of a newer class",
        ),
        pytest.param("android/os/Build", "SOC_MODEL", "Ljava/lang/String;", 31, id="field"),
        pytest.param("android/os/PowerManager", "getThermalStatus", "()I", None, id="wrong name"),
        pytest.param(
            "android/os/PowerManager", "getCurrentThermalStatus", "(I)I", None, id="wrong type"
        ),
    ],
)
def test_level_of_a_member(owner: str, name: str, descriptor: str, level: int | None) -> None:
    assert listing.member_level(owner, name, descriptor) == level


@with_parts
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(
            (29, "constant", "android/os/PowerManager", "THERMAL_STATUS_NONE", "I", "0"),
            None,
            id="true",
        ),
        pytest.param(
            (29, "constant", "android/os/PowerManager", "THERMAL_STATUS_NONE", "I", "1"),
            "is 0, not 1",
            id="wrong value",
        ),
        pytest.param(
            (28, "method", "android/os/PowerManager", "getCurrentThermalStatus", "()I", ""),
            "came with API 29, not 28",
            id="wrong level",
        ),
        pytest.param(
            (29, "method", "android/os/PowerManager", "getThermal", "()I", ""),
            "Android has no android/os/PowerManager.getThermal()I",
            id="wrong name",
        ),
    ],
)
def test_additions_to_the_framework(words: tuple[object, ...], problem: str | None) -> None:
    said = framework.untrue(framework.Addition(1, *words))
    assert said == problem if problem is None else said.endswith(problem)


def test_documented_classes_are_read() -> None:
    documented = stand_ins.read_documented()
    model = documented["com.google.ai.edge.litert.CompiledModel"]
    assert model.is_kotlin
    assert model.supertypes == {"JniHandle"}
    assert "companion fun create(filePath: String, options: CompiledModel.Options = ..., " in str(
        model.members
    )
    proxy = documented["androidx.camera.core.ImageProxy"]
    assert (proxy.is_kotlin, proxy.kind, proxy.supertypes) == (
        False,
        "interface",
        {"AutoCloseable"},
    )


@pytest.mark.parametrize(
    ("heading", "problems"),
    [
        pytest.param("class : JniHandle", [], id="as documented"),
        pytest.param("open class", ["is documented as class, not open class"], id="open"),
        pytest.param("class : Closeable", ["does not extend Closeable"], id="another parent"),
    ],
)
def test_heading_of_a_stand_in(heading: str, problems: list[str]) -> None:
    known = stand_ins.Documented(is_kotlin=True, kind="class", supertypes={"JniHandle"})
    assert list(stand_ins.untrue_heading(heading, known)) == problems


@pytest.mark.parametrize(
    ("member", "line"),
    [
        pytest.param(
            (0x1, "getPlanes", "()[Landroidx/camera/core/ImageProxy$PlaneProxy;", "null", "!"),
            "method ImageProxy.PlaneProxy[] getPlanes()",
            id="array of a nested class",
        ),
        pytest.param(
            (0x1, "setCropRect", "(Landroid/graphics/Rect;)V", "null", ".?"),
            "method void setCropRect(Rect?)",
            id="may be null",
        ),
        pytest.param((0x19, "FIT", "I", "3", ""), "static field int FIT = 3", id="constant"),
        pytest.param((0x1, "<init>", "(II)V", "null", "..."), "new(int, int)", id="constructor"),
    ],
)
def test_java_member_as_it_is_documented(member: tuple[object, ...], line: str) -> None:
    assert stand_ins.java_member(class_files.Member(*member)) == line


def reference(target: str, name: str) -> object:
    return class_files.Reference("dev/A", "f()V", "method", target, name, "()V")


def classes() -> dict[str, object]:
    own = class_files.Member(1, "own", "()V")
    return {
        "dev/A": class_files.ClassFile("dev/A", 1, ["android/view/View"], [own]),
        "android/view/View": class_files.ClassFile("android/view/View", 1, ["java/lang/Object"]),
    }


@pytest.mark.parametrize(
    ("target", "name", "owners"),
    [
        pytest.param("dev/A", "own", [], id="the demo's own"),
        pytest.param(
            "dev/A", "draw", ["android/view/View", "java/lang/Object"], id="inherited from Android"
        ),
        pytest.param(
            "android/view/View", "draw", ["android/view/View", "java/lang/Object"], id="Android's"
        ),
        pytest.param("dev/Unknown", "draw", [], id="of a library"),
    ],
)
def test_where_a_reference_may_end(target: str, name: str, owners: list[str]) -> None:
    assert api_levels.framework_owners(reference(target, name), classes()) == owners


@pytest.mark.parametrize(
    ("permission", "refused"),
    [
        pytest.param("android.permission.CAMERA", False, id="camera"),
        pytest.param("android.permission.INTERNET", True, id="internet"),
        pytest.param("android.permission.ACCESS_NETWORK_STATE", True, id="network state"),
        pytest.param("android.permission.CHANGE_WIFI_STATE", True, id="wifi"),
        pytest.param("android.permission.BLUETOOTH_CONNECT", True, id="bluetooth"),
    ],
)
def test_network_permissions(permission: str, refused: bool) -> None:
    assert bool(apk.NETWORK.search(permission)) is refused


@pytest.fixture
def guards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "guarded.txt"
    monkeypatch.setattr(api_levels, "GUARDED", path)
    return path


def test_guards_are_read(guards: Path) -> None:
    guards.write_text("# a comment\n\ndev.A thermal 29\n")
    assert api_levels.read_guards() == {("dev/A", "thermal"): 29}


def test_a_wrong_guard_is_named(guards: Path) -> None:
    guards.write_text("dev.A thermal\n")
    with pytest.raises(workshop.CheckError, match=r"guarded\.txt:1: not CLASS METHOD LEVEL"):
        api_levels.read_guards()


def test_a_failed_step_fails_those_that_need_it() -> None:
    calls: list[int] = []

    @workshop.once
    def step() -> str:
        calls.append(1)
        raise workshop.CheckError("it does not compile\nhere")

    for message in ("^it does not compile\nhere$", "needs what failed above: it does not compile$"):
        with pytest.raises(workshop.CheckError, match=message):
            step()
    assert calls == [1]


def test_an_unknown_step_is_named(capsys: pytest.CaptureFixture) -> None:
    assert program().main(["compile"]) == 2
    assert "no step is called 'compile'; the steps are parts, core" in capsys.readouterr().err


def program() -> ModuleType:
    """android_demo/verify/run, which has no .py in its name."""
    loader = importlib.machinery.SourceFileLoader("android_verify_run", str(VERIFY / "run"))
    specification = importlib.util.spec_from_loader(loader.name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        pytest.param(None, 0, "ok: all is well", id="holds"),
        pytest.param(workshop.CheckError("it is wrong"), 1, "FAILED: it is wrong", id="fails"),
        pytest.param(
            workshop.NotVerifiedError("dx is gone"),
            0,
            "SKIPPED, NOT VERIFIED: dx is gone",
            id="cannot be done",
        ),
    ],
)
def test_exit_status(
    problem: Exception | None, status: int, line: str, capsys: pytest.CaptureFixture
) -> None:
    def step() -> str:
        if problem is not None:
            raise problem
        return "all is well"

    run = program()
    run.STEPS = {"step": ("it holds", step)}
    assert run.main([]) == status
    assert line in capsys.readouterr().out


def test_the_manifest_without_what_it_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "AndroidManifest.xml").write_text(
        """<manifest xmlns:tools="http://schemas.android.com/tools">
        <uses-permission android:name="android.permission.CAMERA" />
        <uses-permission
            android:name="android.permission.INTERNET"
            tools:node="remove" />
        </manifest>"""
    )
    monkeypatch.setattr(resources, "MAIN", tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    handed_on = resources.manifest(work).read_text()
    assert "CAMERA" in handed_on
    assert "INTERNET" not in handed_on
