/** Walks through a list that the service gives page by page. */

export interface Paging {
  limit?: number;
  cursor?: string;
}
interface Page<Item> {
  readonly data?: { readonly data: Item[]; readonly next_cursor: string | null };
}

/** Every item; a page is fetched when the one before it is used up. */
export async function* allOf<Item>(
  fetchPage: (paging: Paging) => Promise<Page<Item>>,
  pageSize?: number,
): AsyncGenerator<Item> {
  const limit = pageSize === undefined ? {} : { limit: pageSize };
  let cursor: string | null = null;
  do {
    const { data: page }: Page<Item> = await fetchPage(cursor === null ? limit : { ...limit, cursor });
    yield* page!.data;
    cursor = page!.next_cursor;
  } while (cursor !== null);
}
