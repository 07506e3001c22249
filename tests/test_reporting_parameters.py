"""Parameters: parsed by their declared type alone, and the same in the schema as in the notebooks."""

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.measure import crew
from dousell_cache.reporting import catalog
from dousell_cache.reporting.parameters import SCHEDULER_SCHEMES, SCHEMAS, Parameter, declared_in, resolve, resolve_all

MEASURE = "01_measure_cache_aside"


def test_every_parameter_is_resolved() -> None:
    """What is given is parsed; the rest has the schema's defaults."""
    resolved = resolve(MEASURE, {"requests": "500", "ttl": "0.5"})
    assert resolved["requests"] == 500
    assert resolved["ttl"] == 0.5
    assert resolved["seed"] == 1
    assert list(resolved) == [parameter.name for parameter in SCHEMAS[MEASURE]]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "007", "007"),
        ("str", "None", "None"),
        ("str", "", ""),
        ("int", "-7", -7),
        ("float", "1e3", 1000.0),
        ("float", "3", 3.0),
        ("bool", "true", True),
        ("bool", "false", False),
        ("Optional[int]", "none", None),
        ("Optional[int]", "12", 12),
    ],
)
def test_text_is_read_by_the_declared_type(kind: str, text: str, value: object) -> None:
    """A value is what its type says, never what it looks like."""
    parsed = Parameter("p", kind, None).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "1_000"),
        ("int", "5.0"),
        ("int", " 5"),
        ("int", ""),
        ("int", "٣"),
        ("float", "nan"),
        ("float", "inf"),
        ("float", "1_0.0"),
        ("float", "x"),
        ("bool", "True"),
        ("bool", "1"),
        ("Optional[int]", "None"),
        ("Optional[int]", "1.5"),
    ],
)
def test_text_of_another_type_is_refused(kind: str, text: str) -> None:
    """What papermill would guess at is refused, by the parameter's name."""
    with pytest.raises(ConfigurationError, match=r"^parameter p must be .*, not "):
        Parameter("p", kind, None).parse(text)


@pytest.mark.parametrize("text", ["foo", "10.0.0.5:8786", "http://me:s3cret-2468@host"])
def test_a_scheduler_that_is_no_address_is_refused(text: str) -> None:
    """It is refused before a kernel starts, and not quoted; an address of Dask's is taken, or none."""
    with pytest.raises(ConfigurationError, match="scheduler must be an address that begins with tcp://") as no:
        resolve("01_measure_cache_aside", {"scheduler": text})
    assert text not in str(no.value)
    assert SCHEDULER_SCHEMES == crew._SCHEMES
    for taken in ("", *(f"{scheme}10.0.0.5:8786" for scheme in SCHEDULER_SCHEMES)):
        assert resolve("01_measure_cache_aside", {"scheduler": taken})["scheduler"] == taken


def test_a_number_out_of_range_is_refused() -> None:
    """The bounds are the schema's, both included."""
    assert resolve(MEASURE, {"requests": "100"})["requests"] == 100
    with pytest.raises(ConfigurationError, match="between 100 and 1,000,000, not 99"):
        resolve(MEASURE, {"requests": "99"})


def test_unknown_names_get_the_nearest_one() -> None:
    """A typo in a name or a word is answered by what was probably meant."""
    with pytest.raises(ConfigurationError, match='no parameter "request": did you mean "requests"'):
        resolve(MEASURE, {"request": "500"})
    with pytest.raises(ConfigurationError, match='no profile "quik": did you mean "quick"'):
        resolve(MEASURE, {"profile": "quik"})


def test_a_name_like_nothing_gets_the_list() -> None:
    """Where nothing is near, the names there are come instead."""
    with pytest.raises(ConfigurationError, match="there are environment"):
        resolve("00_check_connection", {"zzz": "1"})


def test_each_notebook_takes_what_it_has() -> None:
    """A parameter goes to the notebooks that have it, the profile to those that have one."""
    resolved = resolve_all(SCHEMAS, {"seed": "7"}, "full")
    assert resolved[MEASURE]["seed"] == 7
    assert resolved[MEASURE]["profile"] == "full"
    assert resolved["00_check_connection"] == {"environment": "local"}


@pytest.mark.parametrize(("name", "said"), [("environment", "--env"), ("profile", "--profile"), ("sed", '"seed"')])
def test_names_for_all_notebooks_are_checked(name: str, said: str) -> None:
    """What has an option of its own is not a parameter; what no notebook has is a typo."""
    with pytest.raises(ConfigurationError, match=said):
        resolve_all(SCHEMAS, {name: "x"}, "quick")


@pytest.mark.parametrize("name", ["password", "upstash_token", "api_key", "SECRET"])
def test_a_secret_is_no_parameter(name: str) -> None:
    """Parameters are written into the report, so a credential is refused, without repeating it."""
    with pytest.raises(ConfigurationError, match="environment variables") as refusal:
        resolve("own", {name: "hunter2"}, [Parameter(name, "str", "")])
    assert "hunter2" not in str(refusal.value)


def test_a_notebook_of_ones_own_is_read() -> None:
    """Annotated and plain literals are parameters; anything else in the cell is not."""
    source = 'a: int = 3  # help\nb = "x"\nc: Optional[int] = None\nd = len("x")\ne: list = []\nimport os\nf, g = 1, 2'
    assert [(p.name, p.type, p.default) for p in declared_in(source)] == [
        ("a", "int", 3),
        ("b", "str", "x"),
        ("c", "Optional[int]", None),
    ]


@pytest.mark.parametrize("name", catalog.names())
def test_the_notebooks_declare_the_schema(name: str) -> None:
    """Each notebook's parameters cell is the schema: names, types, defaults and help, a line each."""
    cells = catalog.read_notebook(catalog.folder() / f"{name}.ipynb").cells
    (cell,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert cell.source.splitlines() == [parameter.line for parameter in SCHEMAS[name]]


def test_the_schema_has_every_notebook() -> None:
    """No notebook is without a schema, and no schema without a notebook."""
    assert catalog.names() == sorted(SCHEMAS)
