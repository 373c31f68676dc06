# docker build -t tracebot .        (docs/how-to/deploy.md; compose.yaml builds and runs it)
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
# uv and not pip: it takes the pins and the hashes of requirements.lock for what the wheel needs,
# and leaves out what only the tests need.
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy VIRTUAL_ENV=/opt/tracebot
RUN python -m venv --without-pip "$VIRTUAL_ENV"
WORKDIR /build
COPY pyproject.toml requirements.lock ./
RUN uv pip install --constraint requirements.lock --requirement pyproject.toml --extra postgres
COPY . .
RUN uv pip install --build-constraint requirements.lock --no-deps .

FROM python:${PYTHON}-slim
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin tracebot \
    && install --directory --owner tracebot --group tracebot --mode 700 /data
COPY --from=build /opt/tracebot /opt/tracebot
# The database is /data/tracebot/tracebot.db; in /data are also the logins of agents (.claude …).
# What waits for a database on a server is in /data/tracebot, too.
ENV PATH=/opt/tracebot/bin:$PATH HOME=/data XDG_DATA_HOME=/data XDG_STATE_HOME=/data \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
# Reads only, and says whether the bot is connected to Slack, the disk has space, and so on.
HEALTHCHECK --interval=1m --timeout=20s --start-period=1m CMD ["tracebot", "health", "--quick"]
ENTRYPOINT ["tracebot"]
CMD ["serve"]
