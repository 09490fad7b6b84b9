"""Bad inputs, as data: what is given, and what the one line on stderr says. Each ends with status 2 and leaves nothing.

In words and texts {new} is a path that there is not, {here} a folder with the input's files, {run} a finished run.
"""

import os
import pathlib
import typing

SMOKE = str(pathlib.Path(__file__).parent.parent / "configs" / "smoke.yaml")
PARTS = "latent_size: 2\nencoder: {mlp: }\ndecoder: {mlp: }\n"
LEAST = "data: {name: digits}\n" + PARTS


class Input(typing.NamedTuple):
    """Words of the command, what the line says, and files: name -> text, bytes, None (removed), or a function of the
    path that changes or makes it."""

    words: tuple
    says: str
    files: dict = {}


def link(target):
    """A link to another name."""
    return lambda path: path.symlink_to(target)


def cut(part):
    """The beginning of a file alone."""
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def flipped(part):
    """One bit, so far into a file."""

    def flip(path):
        content = bytearray(path.read_bytes())
        content[int(len(content) * part)] ^= 1
        path.write_bytes(content)

    return flip


def _train(text, says, **files):
    return Input(("train", "{here}/c.yaml", "{new}"), says, {"c.yaml": text} | files)


def _set(assignment, says):
    return Input(("train", SMOKE, "{new}", "--set", assignment), says)


def _run(verb, says, **files):
    words = {"evaluate": ("--quick", "--samples", "2"), "export": ("{new}",)}.get(verb, ())
    return Input((verb, "{run}", *words), says, files)


def _resume(says, **files):
    return Input(("train", "{run}/config.yaml", "{run}", "--resume"), says, files)


def _words(line, says, **files):
    return Input(tuple(line.split()), says, files)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{other}'] * 10)}]\n" for other, one in zip("abcdefgh", "bcdefghi", strict=True)
)

YAML = [
    _train("", "must hold keys and values"),
    _train("# nothing", "must hold keys and values"),
    _train("- a\n- b", "must hold keys and values"),
    _train("just words", "must hold keys and values"),
    _train("3", "must hold keys and values"),
    _train("a: [1", "is not yaml: line 1"),
    _train("a: {b: 1", "is not yaml"),
    _train("a: 'b", "is not yaml"),
    _train("a:\n\t- b", "is not yaml"),
    _train("a: 1\na: 2", "is not yaml"),
    _train("a: *nothing", "undefined alias"),
    _train("a: %x", "is not yaml"),
    _train("a: !!bool abc", "is not yaml"),
    _train("a: !!int abc", "is not yaml"),
    _train("a: !!python/name:os.system", "could not determine a constructor"),
    _train("a: !own {b: 1}", "could not determine a constructor"),
    _train("--- \na: 1\n---\nb: 2", "is not yaml"),
    _train("a: " + "[" * 5000 + "]" * 5000, "nested too deep"),
    _train("a: " + "[" * 60 + "]" * 60, "nested deeper than 50"),
    _train("a: &a\n  b: *a", "or in itself"),
    _train(LAUGHS, "more than 100000 values"),
    _train("a: " + "9" * 5000, "is not yaml: ValueError"),
    _train("seed: " + "9" * 30, "seed: a whole number of 100 bits is too large"),
    _train("a: 2026-01-01", "holds a date"),
    _train("a: 2026-01-01T00:00:00Z", "holds a datetime"),
    _train("a: !!binary aGk=", "holds a bytes"),
    _train("a: !!set {b}", "holds a set"),
    _train("a: .nan", "a: must be a finite number, not nan"),
    _train("a: [1, {b: -.inf}]", "b: must be a finite number, not -inf"),
    _train("a: 1e999", "a: must be a finite number, not inf"),
    _train("1: 2", "the key 1 must be a word"),
    _train("null: 2", "the key None must be a word"),
    _train("[a]: 2", "must be a word"),
    _train('a: "\\0"', "holds a character that no word has"),
    _train('a: "\\ud800"', "holds a character that no word has"),
    _train(b"a: \xff\xfe", "byte 3 is not UTF-8"),
    _train("# ü".encode("latin-1"), "byte 2 is not UTF-8"),
    _train(b"a: \x00", "is not yaml"),
    _train(b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8"),
    _train("# " + "x" * 1_000_001, "more than 1000000 bytes"),
    _train(link("c.yaml"), "a link that leads to no file"),
    _train(link("gone.yaml"), "a link that leads to no file"),
    _train(os.mkfifo, "no such config"),
    _train(pathlib.Path.mkdir, "is a folder: give the path of a yaml file"),
    _train("base: c.yaml", "is the base of itself"),
    _train("base: d.yaml", "is the base of itself", **{"d.yaml": "base: c.yaml"}),
    _train("base: d.yaml", "no such config"),
    _train("base: .", "is a folder"),
    _train("base: 3", "base: must be the path of a yaml, not 3"),
    _train("base: [c.yaml]", "base: must be the path of a yaml"),
    _train("base: null", "base: must be the path of a yaml"),
    _train("base: d.yaml", "d.yaml is not yaml", **{"d.yaml": "a: ["}),
    _train("base: d.yaml", "d.yaml must hold keys and values", **{"d.yaml": ""}),
    _train(
        "base: 0.yaml",
        "50 others in a row",
        **{f"{index}.yaml": f"base: {index + 1}.yaml" for index in range(60)},
    ),
    _train("seed: 1", "data: is missing"),
    _train(PARTS, "data: is missing"),
    _train("data: {}\n" + PARTS, "data.name: is missing"),
    _train("ü: 1\n" + LEAST, "ü: no such key"),
    _train("latentsize: 1\n" + LEAST, "did you mean latent_size?"),
    _train("'a\\u001b[31mb': 1\n" + LEAST, "no such key"),
    _train('"a\\e[31mb": 1\n' + LEAST, "a\\x1b[31mb: no such key"),
    _train(LEAST + "base_: x", "base_: no such key"),
]

SET = [
    _set("", "must be a.b.c=value"),
    _set("seed", "must be a.b.c=value"),
    _set("=3", "must be a.b.c=value"),
    _set("a..b=3", "must be a.b.c=value"),
    _set(".=3", "must be a.b.c=value"),
    _set("seed=[1", "--set seed=[1 is not yaml: line 1, column 3"),
    _set("seed=!!bool abc", "is not yaml"),
    _set("seed=" + "{a: " * 2000, "nested too deep"),
    _set("seed=&a [*a]", "or in itself"),
    _set("seed.x=3", "seed holds 0, not keys and values"),
    _set(".".join("a" * 200) + "=1", "nested deeper than 50"),
    _set("seed=99999999999999999999999", "too large"),
    _set("seed=-1", "seed: Input should be greater than or equal to 0"),
    _set("seed=1.5", "seed: Input should be a valid integer"),
    _set("seed=2147483647", "seed: Input should be less than"),
    _set("latent_size=0", "latent_size: Input should be greater than or equal to 1"),
    _set("latent_size=[]", "latent_size: List should have at least 1 item"),
    _set("latent_size=[4, 0]", "latent_size.1: Input should be greater than or equal to 1"),
    _set("latent_size=1000000000", "latent_size: Input should be less than or equal to 1048576"),
    _set("latent_size=true", "latent_size: Input should be a valid integer"),
    _set("adapt=maybe", "adapt: Input should be a valid boolean"),
    _set("strategy=3", "strategy: Input should be 'default', 'mirrored' or 'multi_worker'"),
    _set("strategy=[default]", "strategy: Input should be 'default', 'mirrored' or 'multi_worker'"),
    _set("base=x.yaml", "base: no such key"),
    _set("learning_rate=3", "learning_rate: no such key"),
    _set("data=3", "data: Input should be a valid dictionary"),
    _set("data=null", "data: Input should be a valid dictionary"),
    _set("data.name=3", "data.name: Input should be a valid string"),
    _set("data.name=huggingface:mnist", "data.name: huggingface:mnist is of a community's data sets"),
    _set("data.batch_size=0", "data.batch_size: Input should be greater than or equal to 1"),
    _set("data.batch_size=-5", "data.batch_size: Input should be greater than or equal to 1"),
    _set("data.batch_size=99999999999999999999", "too large"),
    _set("data.batch_size=many", "data.batch_size: Input should be a valid integer"),
    _set("data.size=[5]", "data.size: List should have at least 2 items"),
    _set("data.size=[0, 5]", "data.size.0: Input should be greater than or equal to 1"),
    _set("data.binarize=maybe", "data.binarize: Input should be 'static' or 'threshold'"),
    _set("data.in_memory=x", "data.in_memory: Input should be a valid boolean"),
    _set("data.evaluation=3", "data.evaluation: Input should be a valid dictionary"),
    _set("data.evaluation.batch_size=0", "data.evaluation.batch_size: Input should be greater than or equal to 1"),
    _set("data.evaluation.name=x", "data.evaluation.name: only how data is loaded can differ"),
    _set("data.nam=x", "data.nam: no such key; did you mean name?"),
    _set("optimizer=null", "optimizer: Input should be a valid dictionary"),
    _set("optimizer={}", "optimizer: must be one {Name: arguments}"),
    _set("optimizer={Adam: , SGD: }", "optimizer: must be one {Name: arguments}"),
    _set("optimizer={Adam: 3}", "optimizer.Adam: Input should be a valid dictionary"),
    _set("optimizer={Adem: }", "optimizer.Adem: no such name"),
    _set("optimizer={Optimizer: }", "optimizer.Optimizer: "),
    _set("optimizer.Adam.learning_rate=-1", "optimizer.Adam.learning_rate: Input should be greater than 0"),
    _set("optimizer.Adam.learning_rate=0", "optimizer.Adam.learning_rate: Input should be greater than 0"),
    _set("optimizer.Adam.learning_rate=.nan", "must be a finite number, not "),
    _set("optimizer.Adam.learning_rate=.inf", "must be a finite number, not "),
    _set("optimizer.Adam.learning_rate=fast", "optimizer.Adam.learning_rate: Input should be a valid number"),
    _set("optimizer.Adam.learning_rate=null", "optimizer.Adam: Argument `learning_rate` should be float"),
    _set("optimizer.Adam.clipnorm=-1", "optimizer.Adam.clipnorm: Input should be greater than 0"),
    _set("optimizer.Adam.clipvalue=0", "optimizer.Adam.clipvalue: Input should be greater than 0"),
    _set("optimizer.Adam.global_clipnorm=x", "optimizer.Adam.global_clipnorm: Input should be a valid number"),
    _set("optimizer.Adam.weight_decay=-1", "optimizer.Adam.weight_decay: Input should be greater than or equal to 0"),
    _set("optimizer.Adam.beta_1=x", "optimizer.Adam.beta_1: Input should be a valid number"),
    _set("optimizer.Adam.beta_2=1", "optimizer.Adam.beta_2: Input should be less than 1"),
    _set("optimizer.Adam.amsgrad=maybe", "optimizer.Adam.amsgrad: Input should be a valid boolean"),
    _set("optimizer.Adam.loss_scale_factor=x", "optimizer.Adam.loss_scale_factor: Input should be a valid number"),
    _set("optimizer.Adam.gradient_accumulation_steps=1", "Input should be greater than or equal to 2"),
    _set("optimizer.Adam.learning_rate={Adam: }", "optimizer.Adam.learning_rate.Adam: no such name"),
    _set("optimizer.Adam.learning_rate={CosineDecay: }", "learning_rate.CosineDecay: CosineDecay.__init__() missing"),
    _set(
        "optimizer.Adam.learning_rate={CosineDecay: {initial_learning_rate: 1, decay_steps: 0}}",
        "learning_rate.CosineDecay.decay_steps: Input should be greater than or equal to 1",
    ),
    _set("optimizer={LossScaleOptimizer: }", "missing 1 required positional argument: 'inner_optimizer'"),
    _set("optimizer={LossScaleOptimizer: {inner_optimizer: 3}}", "optimizer.LossScaleOptimizer: "),
    _set(
        "optimizer={LossScaleOptimizer: {inner_optimizer: {os.system: }}}", "inner_optimizer.os.system: is no Optimizer"
    ),
    _set("optimizer={os.system: {command: exit}}", "optimizer.os.system: is no Optimizer"),
    _set("optimizer={os.environ: }", "optimizer.os.environ: is no Optimizer"),
    _set("optimizer={keras.layers.Dense: {units: 3}}", "optimizer.keras.layers.Dense: is no Optimizer"),
    _set("encoder={os.system: {command: exit}}", "encoder.os.system: is no Model"),
    _set("encoder={subprocess.run: {args: exit}}", "encoder.subprocess.run: is no Model"),
    _set("encoder={keras.models.load_model: {filepath: x}}", "encoder.keras.models.load_model: is no Model"),
    _set("encoder={mlp: {unit: [3]}}", "encoder.mlp.unit: no such key; did you mean units?"),
    _set("encoder={mlp: {units: 3}}", "encoder.mlp.units: Input should be a valid list"),
    _set("encoder={mlp: {units: [99999999999]}}", "encoder.mlp.units.0: Input should be less than or equal to 1048576"),
    _set("encoder={mlp: []}", "encoder.mlp: Input should be a valid dictionary"),
    _set("posterior={builtins.eval: {source: '1'}}", "posterior.builtins.eval: is no Conditional"),
    _set("posterior={tfvae.posteriors: }", "posterior.tfvae.posteriors: is no Conditional"),
    _set("posterior={tfvae.priors.StandardNormal: }", "posterior.tfvae.priors.StandardNormal: is no Conditional"),
    _set("posterior={'..': }", "is no dotted path of a class"),
    _set("posterior={a.: }", "is no dotted path of a class"),
    _set("posterior={no.such.Thing: }", "posterior.no.such.Thing: No module named 'no'"),
    _set("posterior={tfvae.posteriors.No: }", "posterior.tfvae.posteriors.No: module tfvae.posteriors has no No"),
    _set("posterior={PlanarFlow: {base: {os.system: }}}", "posterior.PlanarFlow.base.os.system: is no Conditional"),
    _set("prior={VampPrior: {components: 10000000000}}", "prior.VampPrior.components: Input should be less than"),
    _set("likelihood={os.environ: }", "likelihood.os.environ: is no Conditional"),
    _set("likelihood={Normal: {scale: .nan}}", "must be a finite number, not "),
    _set("likelihood={Bernoulli: {bogus: 3}}", "likelihood.Bernoulli.bogus: no such key"),
    _set("objective={Terms: }", "objective.Terms: no such name"),
    _set("objective={ELBO: {beta: .inf}}", "must be a finite number, not "),
    _set("objective={ELBO: {samples: 1000000000000}}", "objective.ELBO.samples: Input should be less than"),
    _set(
        "objective={IWAE: {estimator: nope}}", "objective.IWAE.estimator: Input should be 'standard', 'stl' or 'dreg'"
    ),
    _set("preprocessor={Lambda: {function: x}}", "preprocessor.Lambda: takes a function"),
    _set("preprocessor={TFSMLayer: {filepath: x}}", "preprocessor.TFSMLayer: takes a function, or does what no yaml"),
    _set("preprocessor={keras.layers.TFSMLayer: {filepath: x}}", "preprocessor.keras.layers.TFSMLayer: takes a"),
    _set("preprocessor={Rescaling: {scale: .inf}}", "must be a finite number, not "),
    _set("compile.steps_per_execution=0", "compile.steps_per_execution: Input should be greater than or equal to 1"),
    _set("compile.jit_compile=maybe", "compile.jit_compile: Input should be a valid boolean"),
    _set("compile.loss=mse", "compile.loss: no such key"),
    _set("fit.epochs=0", "fit.epochs: Input should be greater than or equal to 1"),
    _set("fit.epochs=99999999999999999999", "too large"),
    _set("fit.steps_per_epoch=0", "fit.steps_per_epoch: Input should be greater than or equal to 1"),
    _set("fit.steps_per_epoch=-1", "fit.steps_per_epoch: Input should be greater than or equal to 1"),
    _set("fit.callbacks=3", "fit.callbacks: Input should be a valid list"),
    _set("fit.callbacks=[3]", "fit.callbacks.0: Input should be a valid dictionary"),
    _set("fit.callbacks=[{os.system: {command: exit}}]", "fit.callbacks[0].os.system: is no Callback"),
    _set("fit.callbacks=[{Callback: {a: 3}}]", "fit.callbacks[0].Callback.a: no such key; there are none"),
    _set("fit.callbacks=[{EarlyStopping: {patience: x}}]", "EarlyStopping.patience: Input should be a valid integer"),
    _set("fit.callbacks=[{EarlyStopping: {mode: x}}]", "EarlyStopping.mode: Input should be 'auto', 'min' or 'max'"),
    _set("fit.callbacks=[{LambdaCallback: {on_epoch_end: print}}]", "LambdaCallback: takes a function"),
    _set("fit.callbacks=[{RemoteMonitor: }]", "fit.callbacks[0].RemoteMonitor: takes a function, or does what no yaml"),
    _set("fit.callbacks=[{ModelCheckpoint: }]", "missing 1 required positional argument: 'filepath'"),
    _set("fit.callbacks=[{Watch: {every: 0}}]", "fit.callbacks[0].Watch: every must be 1 or more"),
]

COMMANDS = [
    _words("", "the following arguments are required: VERB"),
    _words("trian", "no such command: trian; did you mean train?"),
    _words("xyzzy", "no such command: xyzzy; there are train, evaluate"),
    _words("train", "the following arguments are required: CONFIG, RUN"),
    _words("train a b c", "unrecognized arguments: c"),
    _words("train --nope a b", "unrecognized arguments: --nope"),
    _words("train no.yaml {new}", "no such config: no.yaml"),
    _words("train {here} {new}", "is a folder: give the path of a yaml"),
    _words(f"train {SMOKE} {{here}}/f", "exists: choose another", f="x"),
    _words(f"train {SMOKE} {{here}}/f --resume", "f is a file, not a folder", f="x"),
    _words(f"train {SMOKE} {{here}}/f/new", "f is a file, not a folder", f="x"),
    _words(f"train {SMOKE} {{run}}", "exists: choose another, remove it, or go on with it (--resume)"),
    _words(f"train {SMOKE} {{here}}/l", "exists: choose another", l=link("nowhere")),
    _words(f"train {SMOKE} {{new}} --workers 0", "argument --workers: must be from 1 to 256, not 0"),
    _words(f"train {SMOKE} {{new}} --workers 99999", "argument --workers: must be from 1 to 256, not 99999"),
    _words(f"train {SMOKE} {{new}} --workers two", "argument --workers: must be a whole number, not 'two'"),
    Input(("train", "", "{new}"), "argument CONFIG: must be a path"),
    Input(("train", SMOKE, ""), "argument RUN: must be a path"),
    Input(("train", "a\0b", "{new}"), "argument CONFIG: must be a path"),
    Input(("train", "x" * 5000, "{new}"), "File name too long"),
    _words("evaluate {new}", "is not the folder of a finished run: it has no config.yaml"),
    _words("evaluate {here}/f", "is not the folder of a finished run", f="x"),
    _words("evaluate {run} --samples 0", "argument --samples: must be from 1 to 1000000, not 0"),
    _words("evaluate {run} --samples 1000000000000", "argument --samples: must be from 1 to 1000000"),
    _words("evaluate {run} --samples 1.5", "argument --samples: must be a whole number, not '1.5'"),
    _words("evaluate {run} --samples", "argument --samples: expected one argument"),
    _words("evaluate {run} --split tset --quick", "Unknown split 'tset'"),
    _words("evaluate {run} --split validations --quick", "Unknown split 'validations'"),
    _words("plot {new}", "is not the folder of a finished run"),
    _words("plot {run} --set a=3", "unrecognized arguments: --set"),
    _words("tune {new} {new}", "no such config"),
    _words("tune {here}/c.yaml {new}", "is not yaml", **{"c.yaml": "a: ["}),
    _words("tune {here}/c.yaml {new} --workers 0", "argument --workers: must be from 1 to 256, not 0"),
    _words("tune {here}/c.yaml {here}/c.yaml", "c.yaml is a file, not a folder", **{"c.yaml": "base: x"}),
    _words("export {new} {new}", "is not the folder of a finished run"),
    _words("export {run} {here}/f", "f is a file, not a folder", f="x"),
    _words("export {run} {new} --samples 0", "argument --samples: must be from 1 to 1000000, not 0"),
    _words("export {run} {new} --dtype int8", "argument --dtype: invalid choice: 'int8'"),
    _words("serve {new}", "make servables with tfvae export"),
    _words("serve {here}/f", "make servables with tfvae export", f="x"),
    _words("serve {here} --rest-port 0 --grpc-port 0", "holds no servable"),
    _words("serve {here} --engine foo", "argument --engine: invalid choice: 'foo'"),
    _words("serve {here} --rest-port 70000", "argument --rest-port: must be from 0 to 65535, not 70000"),
    _words("serve {here} --grpc-port -1", "argument --grpc-port: must be from 0 to 65535, not -1"),
    _words("serve {here} --poll 0", "argument --poll: must be from 0.01 to 86400, not 0"),
    _words("serve {here} --poll nan", "argument --poll: must be from 0.01 to 86400, not nan"),
    _words("serve {here} --poll soon", "argument --poll: must be a number, not 'soon'"),
    _words("serve {here} --max-requests 0", "argument --max-requests: must be 1 or more, not 0"),
    _words("serve {here} --max-bytes -3", "argument --max-bytes: must be 1 or more, not -3"),
    _words("serve {here} --config {new}", "no such file"),
    _words("serve {here} --batching {new}", "no such file"),
    _words("serve {here} --config {here}/f", "f is no text: byte 1 is not UTF-8", f=b"a\xff"),
    _words("serve {here} --batching {here}/f", "f is no text: byte 1 is not UTF-8", f=b"a\xff"),
    _words("serve {here} --batching x --no-batching", "not allowed with argument"),
]

RUNS = [
    _run("evaluate", "it has no config.yaml", **{"config.yaml": None}),
    _run("evaluate", "it has no model.keras", **{"model.keras": None}),
    _run("evaluate", "config.yaml must hold keys and values", **{"config.yaml": ""}),
    _run("evaluate", "config.yaml is not yaml", **{"config.yaml": "a: ["}),
    _run("evaluate", "config.yaml is not yaml: byte", **{"config.yaml": b"\xff"}),
    _run("evaluate", "config.yaml: nope: no such key", **{"config.yaml": LEAST + "nope: 3"}),
    _run(
        "evaluate", "likelihood.os.environ: is no Conditional", **{"config.yaml": LEAST + "likelihood: {os.environ: }"}
    ),
    _run("evaluate", "optimizer.os.system: is no Optimizer", **{"config.yaml": LEAST + "optimizer: {os.system: }"}),
    _run("evaluate", "no TFDS data set", **{"config.yaml": "data: {name: nosuch}\n" + PARTS}),
    _run("evaluate", "model.keras is damaged", **{"model.keras": b""}),
    _run("evaluate", "model.keras is damaged", **{"model.keras": "not a model"}),
    _run("evaluate", "model.keras is damaged", **{"model.keras": cut(0.5)}),
    _run("evaluate", "model.keras is damaged", **{"model.keras": cut(0.99)}),
    _run("evaluate", "was changed, it is damaged", **{"model.keras": flipped(0.5)}),
    _run("plot", "model.keras is damaged", **{"model.keras": cut(0.5)}),
    _run("export", "model.keras is damaged", **{"model.keras": cut(0.5)}),
    _run("export", "was changed, it is damaged", **{"model.keras": flipped(0.5)}),
    _run("plot", "run.json has no best_epoch", **{"run.json": "{}"}),
    _run("plot", "run.json has no best_epoch", **{"run.json": "[]"}),
    _run("plot", "run.json has no best_epoch", **{"run.json": '{"best_epoch": "x"}'}),
    _run("plot", "run.json is no JSON", **{"run.json": "{"}),
    _run("plot", "run.json is no JSON", **{"run.json": b"\xff\xfe\xfd"}),
    _run("plot", "run.json", **{"run.json": None}),
    _resume("run.json is of format 0, and this tfvae has 1: go on with", **{"run.json": "{}"}),
    _resume("run.json is of format x, and this tfvae has 1: go on with", **{"run.json": '{"format": "x"}'}),
    _resume("run.json is damaged: put back a copy, or train in another run folder", **{"run.json": "[]"}),
    _resume("run.json is damaged", **{"run.json": "null"}),
    _resume("run.json is damaged", **{"run.json": ""}),
    _resume("run.json is damaged", **{"run.json": '{"format": 1'}),
    _resume("run.json is damaged", **{"run.json": "[" * 9999}),
    _resume("run.json is damaged", **{"run.json": b"\xff\xfe\xfd"}),
    _resume("was trained, but", **{"run.json": '{"format": 1}'}),
]

ALL = YAML + SET + COMMANDS + RUNS
