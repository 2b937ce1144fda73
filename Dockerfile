# syntax=docker/dockerfile:1

# The base images are named by tag and not by digest: SECURITY.md says how to pin them.

# What runs is JavaScript without anything native, so it is built once, on the machine's own platform.
FROM --platform=$BUILDPLATFORM node:26-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
COPY scripts/node-for-development ./scripts/node-for-development
# Its kernel is compiled when packages are installed.
COPY src ./src
RUN npm ci --no-audit --no-fund
COPY LICENSE tsconfig.json ./
COPY detections/rules ./detections/rules
COPY live-page ./live-page
COPY mappings ./mappings
COPY scripts ./scripts
RUN npm run bundle
RUN npm run --silent licences -- --texts > THIRD-PARTY-LICENSES
# The packages in the bundle have no folders of their own any more; scanners read this instead.
RUN npm run --silent licences -- --bill > databricks-audit-otel.cdx.json
# A volume takes owner and mode of the folder below it.
RUN mkdir --mode 0700 state

FROM gcr.io/distroless/nodejs26-debian13:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="databricks-audit-otel" \
      org.opencontainers.image.description="Ships Databricks audit logs to any OpenTelemetry collector: every event, once, under standard names." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY --from=build /build/package.json /build/LICENSE /build/THIRD-PARTY-LICENSES /build/databricks-audit-otel.cdx.json ./
COPY --from=build /build/detections ./detections
COPY --from=build /build/live-page ./live-page
COPY --from=build /build/mappings ./mappings
COPY --from=build /build/dist/bundle ./dist/bundle
COPY --from=build --chown=65532:65532 /build/state /state
# HOME: the AWS SDK looks for its files there, and a user id that the image does not know has none.
# The probes of an orchestrator come from outside the container.
# MALLOC_*: memory that was freed goes back to the system, instead of staying between what is still used.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    HOME=/home/nonroot \
    DATABRICKS_AUDIT_STATE=/state \
    DATABRICKS_AUDIT_HTTP=0.0.0.0:9464
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
VOLUME /state
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s CMD ["/nodejs/bin/node", "/app/dist/bundle/health.js"]
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/bundle/cli.js"]
CMD ["run"]
