/** Goes through a syntax tree. */
import type { Arguments, Expression, NameNode, NamespaceTarget, Statement, Target } from "./tree.ts";

function argumentsOf({ list, named, spread, spreadNamed }: Arguments): (Expression | undefined)[] {
  return [...list, ...named.map(([, value]) => value), spread, spreadNamed];
}

/** The parts of an expression, in the order in which they stand. */
export function partsOf(node: Expression): readonly (Expression | undefined)[] {
  switch (node.kind) {
    case "name":
    case "constant":
      return [];
    case "tuple":
    case "list":
    case "concat":
      return node.items;
    case "mapping":
      return node.entries.flat();
    case "attribute":
      return [node.object];
    case "item":
      return [node.object, node.key];
    case "slice":
      return [node.object, node.start, node.stop, node.step];
    case "filter":
    case "test":
      return [node.operand, ...argumentsOf(node.args)];
    case "call":
      return [node.callee, ...argumentsOf(node.args)];
    case "not":
    case "sign":
      return [node.operand];
    case "arithmetic":
    case "and":
    case "or":
      return [node.left, node.right];
    case "compare":
      return [node.first, ...node.rest.map(([, operand]) => operand)];
    case "conditional":
      return [node.test, node.value, node.otherwise];
  }
}

/** The expression itself and all in it. */
export function eachExpression(node: Expression, visit: (node: Expression) => unknown): void {
  const stack: (Expression | undefined)[] = [node];
  while (stack.length > 0) {
    const one = stack.pop();
    if (!one) continue;
    visit(one);
    stack.push(...partsOf(one).toReversed());
  }
}

export function eachTarget(target: Target, visit: (one: NameNode | NamespaceTarget) => void): void {
  if (target.kind === "tupleTarget") for (const item of target.items) eachTarget(item, visit);
  else visit(target);
}

/**
 * Which of these names the statements read before they set them, at any depth. It does not look at scopes, so it errs as
 * Jinja's compiler does: on it depends whether a macro takes more arguments than it names.
 */
export function undeclared(body: readonly Statement[], names: readonly string[]): Set<string> {
  const open = new Set(names);
  const found = new Set<string>();
  const read = (node: Expression | undefined): void => {
    if (node) eachExpression(node, (one) => one.kind === "name" && open.has(one.name) && found.add(one.name));
  };
  const set = (target: Target): void =>
    eachTarget(target, (one) => {
      if (one.kind === "name") open.delete(one.name);
    });
  const visit = (node: Statement): void => {
    switch (node.kind) {
      case "output":
        read(node.value);
        return;
      case "if":
        for (const { test, body: inside } of node.branches) {
          read(test);
          inside.forEach(visit);
        }
        node.otherwise.forEach(visit);
        return;
      case "set":
        set(node.target);
        read(node.value);
        return;
      case "setBlock":
        set(node.target);
        read(node.filter);
        node.body.forEach(visit);
        return;
      case "for":
        set(node.target);
        read(node.iterable);
        node.body.forEach(visit);
        node.otherwise.forEach(visit);
        read(node.test);
        return;
      case "callBlock":
      case "macro":
        if (node.kind === "callBlock") read(node.call);
        for (const { target } of node.parameters) set(target);
        for (const { fallback } of node.parameters) read(fallback);
        node.body.forEach(visit);
        return;
      case "filterBlock":
        node.body.forEach(visit);
        read(node.filter);
        return;
      case "with":
        node.targets.forEach(set);
        node.values.forEach(read);
        node.body.forEach(visit);
        return;
      case "scope":
        node.body.forEach(visit);
        return;
    }
  };
  body.forEach(visit);
  return found;
}
