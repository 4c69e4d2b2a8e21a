"""The page: its tabs, its look."""

from __future__ import annotations

import gradio as gr

from digan_jax.studio import clip_tab, explore, tools, training_tab, widgets
from digan_jax.studio.services import Services

TITLE = "digan studio"


def build(services: Services) -> gr.Blocks:
    """The page of a studio. Tabs stand there for what its models can do."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(f"# {TITLE}\nVideos as functions of x, y and t.", elem_id="title")
        with gr.Tabs():
            if services.shelf.names():
                with gr.Tab("Explore"):
                    explore.build(page, services)
            for tool in offered(services):
                with gr.Tab(tool.tab):
                    clip_tab.build(tool, services)
            if services.shelf.training():
                with gr.Tab("Training"):
                    training_tab.build(page, services)

        def leave(request: gr.Request):
            services.desk.cancel(request.session_hash)

        page.unload(leave)
    return page


def offered(services: Services) -> list[tools.Tool]:
    """The tools for which the studio has a model."""
    return [tool for tool in tools.TOOLS if any(services.shelf.names(task) for task in tool.tasks)]


def css() -> str:
    return widgets.asset("page.css")


def theme() -> gr.themes.ThemeClass:
    """Fonts of the system, so that nothing is fetched from elsewhere."""
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
