type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Accepts a value of exactly this type: nothing wider, nothing narrower, no `any`. */
export declare function exactly<Expected> (): <Actual>(value: Actual, ...proof: Same<Actual, Expected> extends true ? [] : ['another type']) => void
