/** The limits that all servers have, as far as they have them: seconds, bytes per second, bytes. */
export const limits = { seconds: 2, rate: 500, bodyBytes: 102_400 }

/** The time after which what is still open counts as such, in milliseconds. */
export const WATCHED = 25_000

/** More than the operating system takes for a client that hardly reads. */
export const LARGE = 24_000_000
/** As much, where its window is as small as that of `slowhttptest`: five hundred are served at once. */
export const MEDIUM = 4_194_304
