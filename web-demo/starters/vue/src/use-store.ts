import type { Store } from 'baton-client/stores'
import { onMounted, onScopeDispose, shallowReadonly, shallowRef, type ShallowRef } from 'vue'

/** A store of `baton-client` as a ref of Vue, for as long as the component is mounted. */
export function useStore<T>(store: Store<T>): Readonly<ShallowRef<T>> {
  const value = shallowRef(store.getServerSnapshot())
  let leave = () => {}
  // Not while a server renders the page.
  onMounted(() => (leave = store.subscribe((next) => (value.value = next))))
  onScopeDispose(() => leave())
  return shallowReadonly(value)
}
