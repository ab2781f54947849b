"""The SQL verifier: right rows on every hidden database, and nothing but reading."""

import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.verifiers.sql import MAX_ROWS, Sql, run_query

SHOP = "create table items(id integer primary key, name text, price real, stock int);"
DATABASES = [
    f"{SHOP} insert into items values (1,'tea',2.5,7),(2,'rice',1.0,0),(3,'oil',6.0,4),(4,'salt',0.5,9);",
    f"{SHOP} insert into items values (1,'ink',9.0,1),(2,'pen',1.5,30),(3,'cap',4.0,0),(4,NULL,3.0,2);",
]
GOLD = "select name from items where price > 2"


def example(gold=GOLD, databases=DATABASES, **meta):
    return SimpleNamespace(answer=gold, meta={"databases": databases, **meta})


def score(query, gold=GOLD, **meta):
    return Sql()(f"<answer>{query}</answer>", example(gold, **meta))


@pytest.mark.parametrize(
    "query",
    [
        GOLD,
        "SELECT i.name FROM items AS i WHERE i.price >= 2.5;",
        "select name as anything from items where price > 2 order by price desc",
        "```sql\nselect name from items where price > 2\n```",
        "with dear as (select * from items where price > 2) select name from dear",
    ],
)
def test_the_same_rows_are_right_however_they_are_asked_for(query):
    assert score(query).reward == 1


@pytest.mark.parametrize(
    "query",
    [
        "select name from items",
        "select id from items where price > 2",
        "select name, price from items where price > 2",
        "select distinct name from items where price > 9",
        "select 'tea' union all select 'oil'",
        "select name from items where price > 2 union all select 'tea'",
        "nonsense",
        "select",
        "",
    ],
)
def test_other_rows_are_wrong(query):
    assert score(query).reward == 0


def test_constants_that_fit_one_database_do_not_score():
    result = score("select 'tea' union select 'oil'")
    assert (result.reward, result.parts["databases_matched"], result.parts["runs"]) == (0.0, 0.5, 1.0)


def test_order_counts_where_the_gold_query_orders():
    gold = "select name from items where name is not null order by price"
    assert score(gold, gold).reward == 1
    assert score(gold + " desc", gold).reward == 0
    assert score(gold + " desc", gold, ordered=False).reward == 1


def test_rows_are_a_multiset_and_numbers_meet_by_value():
    gold = "select 1 from items"
    assert score("select 1.0 from items", gold).reward == 1
    assert score("select distinct 1 from items", gold).reward == 0
    assert score("select '1' from items", gold).reward == 0
    assert score("select null from items", "select name from items where 0").reward == 0


def test_what_sqlite_says_is_kept():
    assert "no such column: nme" in score("select nme from items").detail


HOSTILE = [
    "attach database '/tmp/rftlab-sql-escaped' as x",
    "vacuum into '/tmp/rftlab-sql-escaped'",
    "pragma writable_schema=on",
    "select * from pragma_database_list",
    "select * from pragma_table_info('items')",
    "select load_extension('x')",
    "select fts3_tokenizer('simple')",
    "create table x(a)",
    "create temp table x(a)",
    "create virtual table x using fts5(a)",
    "create trigger t after insert on items begin select 1; end",
    "insert into items values (9,'x',3,1)",
    "update items set price = 3",
    "delete from items",
    "drop table items",
    "select 1; drop table items",
    "select * from sqlite_master",
    "select sql from sqlite_schema",
    "select * from sqlite_temp_master",
    "select length(randomblob(1000000000))",
    "select zeroblob(999999999)",
    "select printf('%999999999d', 1)",
    "select replace(replace(hex(zeroblob(9999)), '0', '00000000'), '0', '00000000')",
    "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
    "with recursive c(x) as (select 1 union all select x + 1 from c) select x from c",
    "with recursive c(x) as (select 'x' union all select x || x from c) select max(length(x)) from c",
    "select count(*) from " + ", ".join(f"items {name}" for name in "abcdefghijkl"),
    "select " + "(" * 500 + "1" + ")" * 500,
    "select " + "-" * 500 + "1",
    "select 1" + " union all select 1" * 50,
    "select '" + "x" * 9000 + "'",
    "select 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' like '" + "%a" * 100 + "'",
    "select sqlite_version(), random()",
    "begin; select 1",
    "savepoint x",
    "analyze",
    "detach database main",
    "select writefile('/tmp/rftlab-sql-escaped', 'x')",
    "select readfile('/etc/passwd')",
    "select edit('x')",
    "\0select 1",
    "select '\ud800'",
    "select cast(x'ff' as text)",
    "-- nothing",
    "/* open",
    "explain select name from items",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_sql_neither_scores_nor_stays(query, tmp_path):
    started = time.monotonic()
    assert score(query).reward == 0
    assert time.monotonic() - started < 10
    assert score(GOLD).reward == 1


def test_a_deadline_holds_for_each_database():
    started = time.monotonic()
    assert score(HOSTILE[23]).detail == "OperationalError: interrupted"
    assert time.monotonic() - started < 3


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match=f"more than {MAX_ROWS} rows"):
        run_query(SHOP, "with recursive c(x) as (select 1 union all select x+1 from c limit 2000) select x from c")


@pytest.mark.parametrize(
    ("gold", "databases", "message"),
    [
        (GOLD, DATABASES[:1], "at least two"),
        (GOLD, DATABASES[:1] * 2, "at least two different"),
        (GOLD, "create table t(a)", "at least two"),
        (GOLD, None, "needs 'databases'"),
        ("select nothing from items", DATABASES, "gold query .* fails"),
        (GOLD, [*DATABASES, "create tabel"], "fails on one of its databases"),
    ],
)
def test_a_bad_example_is_refused(gold, databases, message):
    with pytest.raises(RftlabError, match=message):
        Sql()(f"<answer>{GOLD}</answer>", example(gold, databases))


@given(st.text() | st.text().map(lambda text: f"<answer>select {text}</answer>"))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_text_raises(text):
    assert Sql()(text, example()).reward in (0.0, 1.0)
