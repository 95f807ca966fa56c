"""Which GPU, how much of it, and what stays in host memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.host_json import host_from_json
from orchestrator.core.launch import Process
from orchestrator.core.memory import WORK
from orchestrator.core.plan import Plan
from orchestrator.core.weights import KvGroup, Weights
from orchestrator.errors import PlanError
from tests.components import REPOSITORY
from tests.planned import ENGINES, GIB, MIB, after, argv, linux, local, mac, planned, said, stack, weights

VLLM = Engine("/opt/vllm", "0.32.0", "PATH")


def cuda(*sizes: int, memory: int = 128 * GIB, mig: bool = False) -> Host:
    """A Linux host with GPUs of so many GiB."""
    gpus = tuple(Gpu(i, f"GPU-{i}", f"card {size}", size * GIB, "580.1", mig) for i, size in enumerate(sizes))
    return replace(linux(memory), gpus=gpus)


def with_vllm(host: Host) -> Host:
    return replace(host, engines={**ENGINES, "vllm": VLLM})


def gguf(size: int, layers: int = 40, values: int = 2048) -> Weights:
    """GiB of weights; KV of 160 KiB a token."""
    return weights("/w/m.gguf", size * GIB, 32768, kv=(KvGroup(layers, values),))


def one(host: Host, size: int, **model: Any) -> Plan:
    source = {"llama-cpp": {"path": "/w/m.gguf"}}
    return planned(stack({"m": {"sources": source, "context": 8192, **model}}), host, {"/w/m.gguf": gguf(size)})


def several(host: Host, sizes: Mapping[str, int], **models: dict[str, Any]) -> Plan:
    shapes = {
        name: {"sources": {"llama-cpp": {"path": f"/w/{name}.gguf"}}, "context": 8192, **models.get(name, {})}
        for name in sizes
    }
    known = {f"/w/{name}.gguf": gguf(size) for name, size in sizes.items()}
    return planned(stack(shapes), host, known)


def pools(plan: Plan, model: str = "m") -> list[str]:
    return [part.pool for part in plan.launch(model).memory]


def refusal(host: Host, size: int = 4, **model: Any) -> dict[str, str]:
    with pytest.raises(PlanError) as caught:
        one(host, size, **model)
    return {problem.where: problem.text for problem in caught.value.problems}


def test_the_only_gpu_and_what_the_flags_say_of_it() -> None:
    made = one(cuda(24), 10)
    assert pools(made) == ["gpu:0"]
    assert said(made, "m", "gpus") == ("0", "the only GPU")
    assert after(argv(made, "m"), "--device") == "CUDA0"
    assert ("CUDA_VISIBLE_DEVICES", "GPU-0") in made.launch("m").env
    (part,) = made.launch("m").memory
    assert (part.weights, part.work) == (10 * GIB, WORK)
    assert part.kv == 8192 * 40 * 2048 * 2


def test_the_gpu_with_most_room_and_the_next_model_on_the_other() -> None:
    made = several(cuda(24, 48), {"a": 10, "b": 10}, a={"residency": "resident"}, b={"residency": "resident"})
    assert (pools(made, "a"), pools(made, "b")) == (["gpu:1"], ["gpu:1"])
    made = several(cuda(24, 24), {"a": 10, "b": 10, "c": 10})
    assert [pools(made, name) for name in "abc"] == [["gpu:0"], ["gpu:1"], ["gpu:0"]]
    assert ("a", "b") in made.sets


def test_a_model_that_no_gpu_holds_is_divided_and_each_part_counted() -> None:
    made = one(cuda(24, 24, 24, 24), 36)
    assert pools(made) == ["gpu:0", "gpu:1"]
    assert {part.weights for part in made.launch("m").memory} == {18 * GIB}
    assert after(argv(made, "m"), "--device") == "CUDA0,CUDA1"
    assert after(argv(made, "m"), "--tensor-split") == "1,1"
    assert dict(made.launch("m").env)["CUDA_VISIBLE_DEVICES"] == "GPU-0,GPU-1"


def test_a_gpu_by_index_or_by_uuid() -> None:
    for name in (1, "GPU-1"):
        made = one(cuda(48, 24), 10, gpus=[name])
        assert pools(made) == ["gpu:1"]
        assert dict(made.launch("m").env)["CUDA_VISIBLE_DEVICES"] == "GPU-1"
        assert after(argv(made, "m"), "--device") == "CUDA0"


def test_layers_are_divided_between_gpu_and_host_memory_as_declared() -> None:
    made = one(cuda(24), 60, memory={"gpu": {0: "16GiB"}, "host": "50GiB"})
    gpu, host = made.launch("m").memory
    assert (gpu.pool, host.pool) == ("gpu:0", "host")
    assert gpu.weights + gpu.kv <= 16 * GIB
    assert gpu.weights + host.weights == 60 * GIB
    layers = int(after(argv(made, "m"), "-ngl"))
    assert 0 < layers < 40
    assert gpu.weights == 60 * GIB * layers // 40
    assert "layers on the GPU" in gpu.formula


def test_no_layer_on_a_gpu() -> None:
    made = one(cuda(24), 10, memory={"gpu": {0: 0}, "host": "20GiB"})
    assert pools(made) == ["host"]
    assert after(argv(made, "m"), "--device") == "none"


def test_budget_of_a_gpu_is_kept_back() -> None:
    source = {"llama-cpp": {"path": "/w/m.gguf"}}
    made = stack({"m": {"sources": source, "context": 8192}}, budget={"gpu": {"0": {"reserve": "14GiB"}}})
    with pytest.raises(PlanError, match="cannot be planned") as caught:
        planned(made, cuda(24), {"/w/m.gguf": gguf(10)})
    assert "the pool `gpu:0` has 10.0 GiB (24.0 GiB - 14.0 GiB reserve)" in caught.value.problems[0].text
    wrong = stack({"m": {"sources": source}}, budget={"gpu": {"3": {"reserve": "1GiB"}}})
    with pytest.raises(PlanError) as caught:
        planned(wrong, cuda(24), {"/w/m.gguf": gguf(10)})
    assert caught.value.problems[0].where == "budget.gpu.3"


@pytest.mark.parametrize(
    ("model", "where", "text"),
    [
        ({"gpus": [2]}, "models.m.gpus.0", "there is no GPU 2 here"),
        ({"gpus": ["GPU-9"]}, "models.m.gpus.0", "there is no GPU GPU-9 here"),
        ({"gpus": [0, "GPU-0"]}, "models.m.gpus", "a GPU is named twice"),
        ({"gpus": [0], "memory": {"gpu": {1: "9GiB"}}}, "models.m.memory.gpu.1", "not among `gpus`"),
        ({"memory": {"gpu": {5: "9GiB"}}}, "models.m.memory.gpu.5", "there is no GPU 5 here"),
        ({"gpus": [0], "tensor_parallel": 2}, "models.m.tensor_parallel", "2 GPUs are asked for, `gpus` names 1"),
        ({"gpus": [0, 1], "memory": {"host": "9GiB"}}, "models.m.memory.gpu", "needs its own share"),
        ({"memory": {"gpu": {0: "6GiB"}}}, "models.m", "`memory` allows it 6.0 GiB of `gpu:0`"),
    ],
)
def test_what_cannot_be_placed_is_told_with_its_place(model: dict[str, Any], where: str, text: str) -> None:
    found = refusal(cuda(24, 24), 8, **model)
    assert where in found
    assert text in found[where]


def test_gpus_where_there_are_none() -> None:
    assert refusal(linux(), gpus=[0]) == {"models.m.gpus": "there is no GPU here that it could run on"}
    assert "unified memory" in refusal(mac(), memory={"gpu": {0: "9GiB"}})["models.m.memory.gpu"]


def test_mig_instances_are_pools_of_their_own_and_do_not_work_together() -> None:
    made = several(cuda(20, 20, mig=True), {"a": 10, "b": 10})
    assert [pools(made, name) for name in "ab"] == [["gpu:0"], ["gpu:1"]]
    assert "MIG" in refusal(cuda(20, 20, mig=True), 30, gpus=[0, 1])["models.m.gpus"]


def test_two_models_pinned_beyond_a_gpu() -> None:
    both = {"residency": "resident", "gpus": [0]}
    with pytest.raises(PlanError) as caught:
        several(cuda(24, 24), {"a": 14, "b": 14}, a=both, b=both)
    assert {problem.where for problem in caught.value.problems} == {"models.a", "models.b"}


def test_engines_without_gpus_stay_in_host_memory() -> None:
    made = planned(stack({"m": local()}), cuda(24))
    assert pools(made) == ["host"]
    assert isinstance(made.launch("m").how, Process)


SIZES = st.lists(st.integers(8, 80), min_size=1, max_size=8)
MODELS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(
        st.sampled_from(["llama-cpp", "mlx-lm", "vllm"]),
        st.integers(1, 120),
        st.sampled_from([None, "resident", "on-demand"]),
        st.sampled_from([None, [0], [0, 1], [1]]),
        st.sampled_from([None, {"gpu": {0: "6GiB"}}, {"gpu": {0: "4GiB"}, "host": "40GiB"}, {"host": "9GiB"}]),
        st.sampled_from([0, 1, 2, 8]),
    ),
    min_size=1,
)


def test_a_resident_leaves_the_share_of_the_gpu_that_another_is_promised() -> None:
    shapes = {
        "shared": {"memory": {"gpu": {0: "4GiB"}, "host": "40GiB"}},
        "first": {"residency": "resident"},
    }
    models = {name: {"sources": {"llama-cpp": {"path": f"/w/{name}.gguf"}}, **shape} for name, shape in shapes.items()}
    known = {f"/w/{name}.gguf": gguf(1) for name in shapes}
    made = planned(stack(models), cuda(8), known)
    shared, first = (made.launch(name).memory[0].total for name in shapes)
    assert shared > 4 * GIB
    assert shared + first <= 7.75 * GIB
    assert made.sets == (("first", "shared"),)


@given(SIZES, MODELS, st.booleans())
def test_no_planned_set_exceeds_any_pool(sizes: list[int], models: dict[str, Any], mig: bool) -> None:
    host = with_vllm(cuda(*sizes, mig=mig))
    shapes = {
        name: local(
            f"/{name}.gguf" if backend == "llama-cpp" else f"/{name}",
            backend,
            **{key: value for key, value in (("residency", kept), ("gpus", gpus), ("memory", memory)) if value},
        )
        for name, (backend, _, kept, gpus, memory, _) in models.items()
    }
    known = {}
    for name, (backend, size, *_, heads) in models.items():
        path = f"/{name}.gguf" if backend == "llama-cpp" else f"/{name}"
        known[path] = replace(gguf(0), path=path, size=size * 512 * MIB, kv=(KvGroup(40, 2048, heads=heads),))
    try:
        made = planned(stack(shapes), host, known)
    except PlanError:
        event("refused")
        return
    event(f"planned {len(made.launches)}")
    room = {pool.name: pool.size - pool.reserve for pool in made.pools}
    residents = {launch.model for launch in made.launches if launch.serving.residency == "resident"}
    for group in made.sets:
        assert residents <= set(group)
        for pool, free in room.items():
            parts = [part.total for model in group for part in made.launch(model).memory if part.pool == pool]
            assert sum(parts) <= free
    assert {model for group in made.sets for model in group} == set(models)
    for launch in made.launches:
        assert {part.pool for part in launch.memory} <= room.keys()
        assert all(min(part.weights, part.kv, part.work) >= 0 for part in launch.memory)
        backend, *_, memory, heads = models[launch.model]
        if backend == "vllm" and heads and not memory and (gpus := [p for p in launch.memory if p.work]):
            each = -(-heads // len(gpus)) * 2048 // heads
            assert all(part.kv >= 40 * each * 2 * launch.serving.context for part in gpus)
    assert planned(stack(shapes), host, dict(reversed(known.items()))) == made


def test_an_image_needs_docker() -> None:
    source = {"llama-cpp": {"path": "/w/m.gguf", "engine": {"image": "llama:server-b1"}}}
    with pytest.raises(PlanError) as caught:
        planned(stack({"m": {"sources": source}}), cuda(24), {"/w/m.gguf": gguf(4)})
    assert "llama:server-b1 needs docker" in caught.value.problems[0].text


HOSTS = sorted((REPOSITORY / "tests" / "captured" / "hosts").glob("*.json"))
SAVED = {path.stem: host_from_json(path.read_text())[0] for path in HOSTS}
LLAMA_70B = weights("/w/llama-70b.gguf", 42 * GIB, 131072, kv=(KvGroup(80, 2048),))
QWEN_8B = weights("/w/qwen-8b.gguf", 8 * GIB, 40960, kv=(KvGroup(36, 2048),))


@pytest.mark.parametrize(
    ("host", "large", "small"),
    [
        ("one-gpu", None, ["gpu:0"]),
        ("two-gpus", ["gpu:0", "gpu:1"], ["gpu:0"]),
        ("eight-gpus", ["gpu:0"], ["gpu:1"]),
        ("mig", None, ["gpu:0"]),
    ],
)
def test_where_two_models_go_on_saved_hosts(host: str, large: list[str] | None, small: list[str]) -> None:
    """70 GB of weights and cache on one card where it is large enough, on two that are not, and not on MIG's parts."""
    models = {
        "large": {"sources": {"llama-cpp": {"path": LLAMA_70B.path}}, "context": 4096},
        "small": {"sources": {"llama-cpp": {"path": QWEN_8B.path}}, "context": 16384},
    }
    known = {LLAMA_70B.path: LLAMA_70B, QWEN_8B.path: QWEN_8B}
    if large is None:
        with pytest.raises(PlanError, match="cannot be planned") as caught:
            planned(stack(models), SAVED[host], known)
        assert [problem.where for problem in caught.value.problems] == ["models.large"]
        del models["large"]
    made = planned(stack(models), SAVED[host], known)
    assert large is None or pools(made, "large") == large
    assert pools(made, "small") == small
    assert dict(made.launch("small").env)["CUDA_VISIBLE_DEVICES"] == SAVED[host].gpus[int(small[0][-1])].uuid


@pytest.mark.parametrize(("heads", "each"), [(8, 8 * GIB), (2, 16 * GIB), (1, 32 * GIB)])
def test_each_gpu_of_vllm_holds_whole_kv_heads(heads: int, each: int) -> None:
    """Of 32 GiB of KV four GPUs hold 8 each; of two heads each holds one; of MLA's latent all."""
    known = {"/w/m": weights("/w/m", 8 * GIB, 131072, kv=(KvGroup(64, 2048, heads=heads),))}
    tokens = 131072 - 256
    model = local("/w/m", "vllm", context=tokens, gpus=[0, 1, 2, 3])
    made = planned(stack({"m": model}), with_vllm(cuda(*[80] * 4)), known)
    assert {part.kv * 131072 // (tokens + 128) // GIB * GIB for part in made.launch("m").memory} == {each}
    assert after(argv(made, "m"), "--kv-cache-memory-bytes") == str(made.launch("m").memory[0].kv)


def test_a_share_of_one_gpu_is_that_of_all_that_divide_a_model() -> None:
    model = local("/w/m.gguf", "vllm", context=8192, gpus=[0, 1], memory={"gpu": {0: "8GiB"}})
    model["sources"] = {"vllm": {"repo": "org/m"}}
    made = planned(stack({"m": model}), with_vllm(cuda(24, 24)), {"org/m@main": replace(gguf(10), path="/hub/m")})
    assert [(part.pool, part.weights, part.kv) for part in made.launch("m").memory] == [
        (f"gpu:{index}", 5 * GIB, 2 * GIB) for index in (0, 1)
    ]


def test_copies_of_kv_heads_count_where_the_number_of_gpus_is_chosen() -> None:
    """Two GPUs would hold a KV cache that is divided."""
    known = {"/w/m": weights("/w/m", 30 * GIB, 65536, kv=(KvGroup(64, 2048, heads=1),))}
    made = planned(stack({"m": local("/w/m", "vllm", context=65536)}), with_vllm(cuda(*[30] * 4)), known)
    assert pools(made) == ["gpu:0", "gpu:1", "gpu:2", "gpu:3"]


def sleepers(host: Host, size: int, **top: Any) -> Plan:
    shape = {"context": 8192, "residency": "sleep", "gpus": [0]}
    models = {name: {"sources": {"vllm": {"repo": f"org/{name}"}}, **shape} for name in "ab"}
    known = {f"org/{name}@main": replace(gguf(size), path=f"/hub/{name}") for name in "ab"}
    return planned(stack(models, **top), with_vllm(host), known)


def test_sleepers_share_a_gpu_by_turns_and_keep_their_weights_in_host_memory() -> None:
    made = sleepers(cuda(24), 14)
    assert made.sets == (("a",), ("b",))
    for launch in made.launches:
        assert launch.serving.residency == "sleep"
        assert [(part.pool, part.weights, part.work) for part in launch.memory] == [
            ("gpu:0", 14 * GIB, WORK),
            ("host", 14 * GIB, 0),
        ]
        assert "--enable-sleep-mode" in argv(made, launch.model)


def test_what_sleeps_beside_a_model_is_counted() -> None:
    """Of each that sleeps a GiB stays on the GPU; both weights must fit into host memory."""
    assert sleepers(cuda(24), 19).sets == (("a",), ("b",))
    with pytest.raises(PlanError) as caught:
        sleepers(cuda(24), 21)
    assert "of which models that sleep keep 1.0 GiB" in caught.value.problems[0].text
    with pytest.raises(PlanError) as caught:
        sleepers(cuda(24, memory=24 * GIB), 14)
    assert "asleep its weights take 14.0 GiB of host memory" in caught.value.problems[0].text


def test_sleep_where_it_cannot_be_had() -> None:
    assert "has no sleep mode" in refusal(cuda(24), 4, residency="sleep")["models.m.residency"]
    with pytest.raises(PlanError) as caught:
        sleepers(cuda(24), 8, supervisor="llama-swap")
    assert {problem.text for problem in caught.value.problems} == {"sleep: llama-swap only starts and stops"}


def test_an_engine_that_keeps_a_model_on_its_gpus_is_not_given_host_memory() -> None:
    models = {"m": {"sources": {"vllm": {"repo": "org/m"}}, "context": 8192, "memory": {"host": "40GiB"}}}
    host = replace(cuda(24), engines={**ENGINES, "vllm": VLLM})
    with pytest.raises(PlanError) as caught:
        planned(stack(models), host, {"org/m@main": replace(gguf(14), path="/hub/m")})
    assert "keeps all of a model on its GPUs" in caught.value.problems[0].text


def test_a_command_has_what_the_file_allows_it() -> None:
    source = {"command": {"cmd": ["server", "--port", "${PORT}"]}}
    memory = {"gpu": {1: "8GiB"}, "host": "4GiB"}
    made = planned(stack({"m": {"sources": source, "memory": memory}}), cuda(24, 24))
    assert [(part.pool, part.total) for part in made.launch("m").memory] == [("gpu:1", 8 * GIB), ("host", 4 * GIB)]
