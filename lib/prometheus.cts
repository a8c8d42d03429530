import esm = require('./prometheus.js')

export = esm
