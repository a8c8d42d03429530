import { createWriteStream, existsSync, readdirSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import multipart from '@fastify/multipart'
import type { Test } from 'tap'
import { until } from '../oracle/until.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'
import type { Protocol } from './transport.js'

/** The ways in which an application writes uploads to files. */
export const uploadUrls = ['/save', '/pipeline']

const part = (content: string): string => `--b0undary\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n${content}`

export const uploadType = 'multipart/form-data; boundary=b0undary'
/** One file, and the beginning of a second. */
export const begunUpload = `${part('x'.repeat(50_000))}\r\n${part('x'.repeat(50_000))}`
export const endOfUpload = '\r\n--b0undary--\r\n'

export interface UploadApp extends GuardedApp {
  /** Files that were complete when the handler had them. */
  readonly complete: () => number
  /** Resolves once the second file of the upload is being written. */
  readonly writing: () => Promise<void>
  /** Resolves once no file and no descriptor is left. */
  readonly cleanedUp: () => Promise<void>
  /** The files that this process has open; none where the system does not tell. */
  readonly open: () => string[]
}

const FDS = '/proc/self/fd'

function openBelow (folder: string): string[] {
  if (!existsSync(FDS)) return []
  return readdirSync(FDS).flatMap((fd) => {
    try {
      const target = readlinkSync(join(FDS, fd))
      return target.startsWith(folder) ? [target] : []
    } catch {
      return [] // closed meanwhile
    }
  })
}

/** An application that writes uploads to files; closed with the test. */
export function uploadApp (t: Test, protocol?: Protocol): Promise<UploadApp> {
  const folder = t.testdir()
  const open = (): string[] => openBelow(folder)
  return guardedApp({
    t,
    ...(protocol === undefined ? {} : { protocol }),
    guard: { bodyTimeout: 1_200, bodyIdleTimeout: 300, minBodyRate: { bytesPerSecond: 10_000, gracePeriod: 300 }, bodyLimit: 500_000, resolution: 50 },
    routes: async (app) => {
      let complete = 0
      await app.register(multipart, { limits: { fileSize: 200_000 } })
      app.post('/save', async (request) => {
        complete = (await request.saveRequestFiles({ tmpdir: folder })).files.length
        return { complete }
      })
      app.post('/pipeline', async (request) => {
        const paths: string[] = []
        try {
          for await (const { file } of request.files()) {
            const path = join(folder, String(paths.length))
            paths.push(path)
            await pipeline(file, createWriteStream(path))
          }
        } catch (error) {
          await Promise.all(paths.map((path) => rm(path, { force: true })))
          throw error
        }
        complete = paths.length
        return { complete }
      })
      return {
        complete: () => complete,
        open,
        writing: async () => {
          await until(() => readdirSync(folder).length === 2, 'the second file is there')
          if (existsSync(FDS)) await until(() => open().length === 1, 'the second file is open')
        },
        cleanedUp: async () => {
          await until(() => readdirSync(folder).length === 0, 'the files are removed')
          await until(() => open().length === 0, 'the files are closed')
        }
      }
    }
  })
}
