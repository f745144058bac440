# The page and the API: docker build -t foodvision . && docker run --read-only --tmpfs /tmp -p 7860:7860 foodvision
FROM python:3.11-slim AS build
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY examples ./examples
COPY foodvision ./foodvision
# The image that runs has neither pip nor what built the wheel.
RUN python -m venv --without-pip /opt/foodvision
RUN python -m pip --python /opt/foodvision/bin/python install --no-cache-dir \
    --constraint constraints.txt '.[serve]'

FROM python:3.11-slim
COPY --from=build /opt/foodvision /opt/foodvision
# /tmp is all that it writes to: photos while they are answered, and what it remembers of graphs.
ENV PATH=/opt/foodvision/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/api/health', timeout=4)"]
ENTRYPOINT ["foodvision"]
CMD ["demo", "--host", "0.0.0.0", "--port", "7860", "--proxy-headers"]
