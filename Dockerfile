# wasmaverick as a service: docker build -t wasmaverick . ; examples/balancer/compose.yaml starts several beside Redis and nginx.
#
#   docker run -p 127.0.0.1:8080:8080 -v ./models:/models:ro -e WASMAVERICK_API_KEY=... wasmaverick

FROM node:24-alpine AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY asconfig.json tsconfig.json LICENSE README.md ./
COPY assembly assembly
COPY scripts scripts
COPY src src
RUN npm run build && npm pack --ignore-scripts --pack-destination /tmp
# What serving needs beside the engine, in the versions that the package names.
RUN node -p "Object.entries(require('./package.json').peerDependencies).map((pair) => pair.join('@')).join('\n')" > /tmp/peers

FROM node:24-alpine
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
RUN --mount=type=bind,from=build,source=/tmp,target=/tmp/build \
    npm init -y > /dev/null \
    && xargs npm install --ignore-scripts --no-audit --no-fund /tmp/build/wasmaverick-*.tgz < /tmp/build/peers \
    && npm cache clean --force
# The image's user `node`. Nothing is written: the root file system may be read-only.
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["wasmaverick"]
# Ends well with SIGTERM, which docker sends. Listens elsewhere than on this machine, so that it wants a key: WASMAVERICK_API_KEY.
CMD ["serve", "/models/model.gguf", "--host", "0.0.0.0"]
