// `node judge.js MODULES SPECIFICATION PAIRS VERDICTS`: Microsoft's live validator (npm package oav, installed in
// MODULES) over a list of {liveRequest, liveResponse}, against the OpenAPI files in SPECIFICATION. Writes a list of
// {operation, errors}; operation is null where the specification has none.
"use strict";

const fs = require("fs");
const { createRequire } = require("module");

const [modules, specification, pairsFile, verdictsFile] = process.argv.slice(2);
const { LiveValidator } = createRequire(`${modules}/`)("oav/dist/lib/liveValidation/liveValidator");

function flat(side, result) {
  const errors = result.errors.map((e) => ({
    side,
    code: e.code,
    path: (e.jsonPathsInPayload || []).join(" "),
    message: e.message,
  }));
  if (result.isSuccessful === undefined && result.runtimeException) {
    errors.push({ side, code: result.runtimeException.code, path: "", message: result.runtimeException.message });
  }
  return errors;
}

async function main() {
  const quiet = () => {};
  const validator = new LiveValidator(
    {
      directory: specification,
      swaggerPathsPattern: ["**/*.json"],
      excludedSwaggerPathsPattern: ["**/examples/**/*", "**/common-types/**", "**/common/**"],
      loadValidatorInBackground: false,
      git: { shouldClone: false },
    },
    quiet,
  );
  await validator.initialize();
  const verdicts = [];
  for (const pair of JSON.parse(fs.readFileSync(pairsFile, "utf8"))) {
    const found = validator.getOperationInfo(pair.liveRequest);
    if (found.error !== undefined) {
      verdicts.push({ operation: null, errors: [{ side: "request", code: found.error.code, path: "", message: found.error.message }] });
      continue;
    }
    const result = await validator.validateLiveRequestResponse(pair);
    verdicts.push({
      operation: found.info.operationId,
      errors: [...flat("request", result.requestValidationResult), ...flat("response", result.responseValidationResult)],
    });
  }
  fs.writeFileSync(verdictsFile, JSON.stringify(verdicts));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
