"""rftlab: for this task, this model and this many labels, SFT, RFT or both? An experiment instead of an opinion."""

__version__ = "0.1.0"

_HOMES = {
    "AccuracyVsCost": "rftlab.report.displays:AccuracyVsCost",
    "AccuracyVsLabels": "rftlab.report.displays:AccuracyVsLabels",
    "Cell": "rftlab.cell:Cell",
    "CotVsDirect": "rftlab.report.displays:CotVsDirect",
    "Differences": "rftlab.report.displays:Differences",
    "Experiment": "rftlab.experiment:Experiment",
    "GeneralisationGap": "rftlab.report.displays:GeneralisationGap",
    "Grid": "rftlab.grid:Grid",
    "GridRun": "rftlab.interactive.grid_run:GridRun",
    "LearningCurves": "rftlab.report.displays:LearningCurves",
    "OutOfDistribution": "rftlab.report.displays:OutOfDistribution",
    "Record": "rftlab.record:Record",
    "MatchedPair": "rftlab.interactive.matched_pair:MatchedPair",
    "RftlabError": "rftlab.errors:RftlabError",
    "Text": "rftlab.shown.texts:Text",
    "ask": "rftlab.policy.ask:ask",
    "ask_box": "rftlab.interactive.ask:ask_box",
    "check": "rftlab.advise.check:check",
    "check_parameters": "rftlab.scalars:check_parameters",
    "compare": "rftlab.interactive.compare:compare",
    "evaluate_kept": "rftlab.experiment.kept_evaluation:evaluate_kept",
    "export": "rftlab.record.exported:export",
    "import_archive": "rftlab.record.exported:import_archive",
    "judge": "rftlab.judging:judge",
    "judge_agreement": "rftlab.advise.labellers:judge_agreement",
    "label_agreement": "rftlab.advise.labellers:label_agreement",
    "load": "rftlab.record.tables:load",
    "load_kept": "rftlab.policy.kept:load_kept",
    "load_task": "rftlab.tasks.base:load_task",
    "make_verifier": "rftlab.verifiers.base:make_verifier",
    "new": "rftlab.advise.new:new",
    "parameters": "rftlab.interactive.parameters:parameters",
    "plan": "rftlab.advise.forecast:plan",
    "plots": "rftlab.plots:",
    "run": "rftlab.study:run",
    "runs": "rftlab.interactive.runs:runs",
    "sense": "rftlab.advise.sense.sensed:sense",
    "stats": "rftlab.stats:",
    "study_view": "rftlab.interactive.study_view:study_view",
    "win_rates": "rftlab.answer.win_rates:win_rates",
    "write_model": "rftlab.policy.export:write_model",
    "write_report": "rftlab.report:write_report",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import on first use, so that `import rftlab` stays instant and the command line never loads torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rftlab' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _HOMES[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
