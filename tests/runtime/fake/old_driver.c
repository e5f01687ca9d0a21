/* A CUDA driver that is too old. */
int cuDriverGetVersion(int* version) {
  *version = 11080;
  return 0;
}
