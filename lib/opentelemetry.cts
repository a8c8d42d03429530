import esm = require('./opentelemetry.js')

export = esm
