// Shares the trips of a grid's folds out among CTAs (stream-K: Osama et al., arXiv 2301.03598).
// A tile is one fold of `trips` trips. Tiles from `streamed` on are whole waves, a tile to a CTA.
// The trips of those before it go to the CTAs evenly, one stretch to each, in order. They are all
// tiles where there are fewer tiles than CTAs; else those beyond the whole waves and one wave more,
// so that every share is as long as a tile or longer and two CTAs at the most have a tile. A CTA
// goes through its share from the end to the beginning, then through its whole tiles. The sums of
// its last tile, which it doesn't finish, are thus its first work: a CTA that finishes a tile waits
// only for first works of CTAs before it. It lies in shared memory and is read anew for every tile,
// as the fold between needs the registers.
struct Share {
  int streamed;
  int first, first_begin;  // tile and trip at which the share begins; none: -1
  int last, last_end;      // its last tile, and the trip before which it ends there; none: -1

  // Sums of no trips count as one, so that every tile is some CTA's.
  __device__ __forceinline__ static u64 units(int trips) { return trips > 0 ? trips : 1; }

  __device__ __forceinline__ void set(int tiles, int trips, int cta, int ctas) {
    streamed = tiles < ctas ? tiles : tiles % ctas == 0 ? 0 : ctas + tiles % ctas;
    const u64 unit = units(trips), all = unit * streamed, length = all / ctas, longer = all % ctas;
    const u64 begin = length * cta + (u64(cta) < longer ? cta : longer);
    const u64 end = begin + length + (u64(cta) < longer ? 1 : 0);
    first = first_begin = last = last_end = -1;
    if (begin == end) return;
    first = int(begin / unit);
    first_begin = int(begin % unit);
    last = int((end - 1) / unit);
    last_end = trips > 0 ? int(end - unit * last) : trips;
  }

  // The CTA's tiles, in order, and which of their trips it has.
  __device__ __forceinline__ int start(int cta) const { return last >= 0 ? last : streamed + cta; }
  __device__ __forceinline__ int next(int tile, int cta, int ctas) const {
    if (tile >= streamed) return tile + ctas;
    return tile > first ? tile - 1 : streamed + cta;
  }
  __device__ __forceinline__ int begin(int tile) const { return tile == first ? first_begin : 0; }
  __device__ __forceinline__ int end(int tile, int trips) const {
    return tile == last ? last_end : trips;
  }

  // Whether the CTA before this one has all trips before `begin`, and hands on its sums in time for
  // this one to go on from them. Else several CTAs sum a tile at the same time.
  __device__ __forceinline__ bool in_turn(int ctas) const { return streamed >= ctas; }
  // The CTA that has the first trip of a streamed tile.
  __device__ __forceinline__ int first_cta(int tile, int trips, int ctas) const {
    const u64 unit = units(trips), all = unit * streamed, length = all / ctas, longer = all % ctas,
              at = unit * tile;
    if (at < longer * (length + 1)) return int(at / (length + 1));
    return int(longer + (at - longer * (length + 1)) / length);
  }
};
