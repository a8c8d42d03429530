// Nest. As in every Nest project, TypeScript needs `experimentalDecorators`.
import 'reflect-metadata'
import { STATUS_CODES } from 'node:http'
import { type ArgumentsHost, Body, Catch, Controller, Module, Post } from '@nestjs/common'
import { APP_FILTER, BaseExceptionFilter, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication, RouteConfig } from '@nestjs/platform-fastify'
import type { FastifyReply } from 'fastify'
import readGuard, { isReadError, type ReadGuardRouteOptions } from 'fastify-read-guard'

@Catch()
class ReadErrorFilter extends BaseExceptionFilter {
  override catch (error: unknown, host: ArgumentsHost) {
    // Nest may have wrapped it.
    const read = [error, (error as Error).cause].find(isReadError)
    if (read === undefined) return super.catch(error, host)
    const { statusCode = 500, code, message } = read
    host.switchToHttp().getResponse<FastifyReply>().code(statusCode).send({ statusCode, code, error: STATUS_CODES[statusCode], message })
  }
}

@Controller()
class NotesController {
  @Post('notes')
  @RouteConfig({ readGuard: { bodyIdleTimeout: 1_000 } satisfies ReadGuardRouteOptions })
  save (@Body() note: unknown) {
    return { saved: note }
  }
}

@Module({ controllers: [NotesController], providers: [{ provide: APP_FILTER, useClass: ReadErrorFilter }] })
class AppModule {}

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter({ logger: true }))
await app.register(readGuard, { headersTimeout: 10_000 })
await app.listen(process.env['PORT'] ?? 3000)
