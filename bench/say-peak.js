// Preloaded, says on standard error when the process ends how many bytes of memory it had at most.
import { readFileSync } from 'node:fs'

process.on('exit', () => process.stderr.write(String(1024 * peak())))

/** In KiB. What `resourceUsage()` tells begins with what the parent had when it started the process. */
function peak () {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  } catch {
    return process.resourceUsage().maxRSS
  }
}
