/** What a child process says next; rejects where it ends before. */
export function answerOf(child) {
  return new Promise((resolve, reject) => {
    const end = () => reject(new Error("ended"));
    child.once("exit", end);
    child.once("message", (message) => {
      child.off("exit", end);
      resolve(message);
    });
  });
}
